//! `bib topic subscribe NAME` and `bib topic unsubscribe NAME`.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted};
use crate::session::Env;
use crate::views;
use bib_proto::client::Client;
use bib_proto::v1::{GetTopicRequest, ListNodesRequest, SubscribeRequest, Topic, UnsubscribeRequest};
use serde_json::json;
use std::time::Duration;

/// How long a topic that is not known is waited for, where peers are connected.
const CATALOGUE_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Which topic.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib topic subscribe flights\n  bib topic unsubscribe flights")]
pub(crate) struct Args {
    /// Name of the topic
    name: String,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Turns the subscription on or off.
pub(super) async fn run(env: &Env, args: Args, on: bool) -> CliResult {
    let client = env.client().await?;
    let (name, request_id) = (args.name, env.request_id()?);
    let mut topics = client.topics();
    if on || args.dry_run {
        let topic = known(env, &client, &name, on).await.map_err(elsewhere)?;
        if args.dry_run {
            let record = json!({"name": topic.name, "subscribed": topic.subscribed, "datasets": topic.datasets,
                "bytes": topic.bytes, "dryRun": true});
            env.out.object(&record, || plan(&topic, on))?;
            return Ok(());
        }
    }
    let topic = if on {
        env.call(topics.subscribe(SubscribeRequest { name, request_id })).await.map_err(elsewhere)?.into_inner().topic
    } else {
        env.call(topics.unsubscribe(UnsubscribeRequest { name, request_id }))
            .await
            .map_err(elsewhere)?
            .into_inner()
            .topic
    };
    let topic = topic.unwrap_or_default();
    let (done, undo) = if on { ("subscribed to", "unsubscribe") } else { ("unsubscribed from", "subscribe") };
    env.out.object(&views::topic(&topic), || format!("{done} topic/{}", topic.name))?;
    env.out.remark(&format!("undo: bib topic {undo} {}", topic.name));
    Ok(())
}

/// The topic; one that is not known is waited for a little while, as the catalogue of a node that was just joined
/// arrives in a moment.
async fn known(env: &Env, client: &Client, name: &str, wait: bool) -> CliResult<Topic> {
    let mut waited = Duration::ZERO;
    loop {
        let answer = env.call(client.topics().get_topic(GetTopicRequest { name: name.to_owned() })).await;
        match answer {
            Err(error) if wait && error.exit == Exit::NotFound && waited < CATALOGUE_WAIT => {
                if waited.is_zero() && !has_peers(env, client).await {
                    return Err(error);
                }
                if waited.is_zero() {
                    env.out.remark(&format!(
                        "topic {name} is not known yet; waiting a moment for the catalogues of the peers"
                    ));
                }
                tokio::time::sleep(LOOK_AGAIN).await;
                waited += LOOK_AGAIN;
            }
            answer => return Ok(answer?.into_inner().topic.unwrap_or_default()),
        }
    }
}

async fn has_peers(env: &Env, client: &Client) -> bool {
    let request = ListNodesRequest { connected_only: true };
    let nodes = env.call(client.nodes().list_nodes(request)).await;
    nodes.is_ok_and(|answer| answer.into_inner().nodes.iter().any(|node| node.paired))
}

fn plan(topic: &Topic, on: bool) -> String {
    let holds = format!("{}, {}", counted(topic.datasets, "dataset"), bytes(topic.bytes));
    match (on, topic.subscribed) {
        (true, true) => format!("topic/{} is subscribed to already: {holds} here", topic.name),
        (true, false) => format!("would subscribe to topic/{}: {holds} known here so far", topic.name),
        (false, true) => format!("would unsubscribe from topic/{}: {holds} stay here", topic.name),
        (false, false) => format!("topic/{} is not subscribed to", topic.name),
    }
}

/// Who asks for a topic looks for one that is there: making one of that name is no help.
pub(super) fn elsewhere(mut error: CliError) -> CliError {
    if error.exit == Exit::NotFound {
        error.hints = vec![
            "bib topic list".to_owned(),
            "a topic of another node is listed once that node is paired and was reached: bib node list".to_owned(),
        ];
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_what_would_change() {
        let topic = Topic { name: "flights".into(), datasets: 1, bytes: 2048, ..Topic::default() };
        assert_eq!(plan(&topic, true), "would subscribe to topic/flights: 1 dataset, 2.0KiB known here so far");
        assert_eq!(plan(&topic, false), "topic/flights is not subscribed to");
    }

    #[test]
    fn a_topic_that_is_not_known_is_looked_for_elsewhere() {
        let error = elsewhere(CliError::new(Exit::NotFound, "no topic").hint("bib topic create x"));
        assert!(error.hints.iter().all(|hint| !hint.contains("create")), "{error:?}");
    }
}
