//! `bib topic create NAME`.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use crate::views;
use bib_domain::{NameError, TopicName};
use bib_proto::v1::{CreateTopicRequest, GetTopicRequest};
use serde_json::json;

/// Which topic.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib topic create weather\n  bib topic create flights --description \"Departures from New York\""
)]
pub(crate) struct Args {
    /// Lower-case letters, digits, '.', '_' and '-'
    name: String,
    /// What it is about
    #[arg(long, default_value = "")]
    description: String,
    /// Succeed if it is there already
    #[arg(long)]
    if_not_exists: bool,
    /// Check that it could be made, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Makes the topic.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let name: TopicName =
        args.name.parse().map_err(|error: NameError| CliError::usage(error.to_string()).because("BAD_NAME"))?;
    let client = env.client().await?;
    if args.if_not_exists || args.dry_run {
        let there = env.call(client.topics().get_topic(GetTopicRequest { name: name.to_string() })).await;
        match there.map(tonic::Response::into_inner) {
            Ok(answer) if args.if_not_exists => {
                let topic = answer.topic.unwrap_or_default();
                env.out.object(&views::topic(&topic), || format!("topic/{name} is there already"))?;
                return Ok(());
            }
            Ok(_) => {
                return Err(CliError::new(Exit::Conflict, format!("topic {name} is there already"))
                    .because("TOPIC_EXISTS")
                    .hint(format!("bib topic get {name}")));
            }
            Err(error) if error.exit != Exit::NotFound => return Err(error),
            Err(_) if args.dry_run => {
                let record = json!({"name": name.to_string(), "dryRun": true});
                env.out.object(&record, || format!("would create topic/{name}"))?;
                return Ok(());
            }
            Err(_) => {}
        }
    }
    let request = CreateTopicRequest {
        name: name.to_string(),
        description: args.description,
        if_not_exists: args.if_not_exists,
        request_id: env.request_id()?,
    };
    let topic = env.call(client.topics().create_topic(request)).await?.into_inner().topic.unwrap_or_default();
    env.out.object(&views::topic(&topic), || format!("topic/{name} created"))?;
    env.out.remark(&format!("put data in: bib dataset upload FOLDER --topic {name}"));
    Ok(())
}
