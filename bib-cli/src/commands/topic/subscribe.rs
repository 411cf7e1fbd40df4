//! `bib topic subscribe NAME` and `bib topic unsubscribe NAME`.

use crate::error::CliResult;
use crate::session::Env;
use crate::views;
use bib_proto::v1::{SubscribeRequest, UnsubscribeRequest};

/// Which topic.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib topic subscribe flights\n  bib topic unsubscribe flights")]
pub(crate) struct Args {
    /// Name of the topic
    name: String,
}

/// Turns the subscription on or off.
pub(super) async fn run(env: &Env, args: Args, on: bool) -> CliResult {
    let client = env.client().await?;
    let (name, request_id) = (args.name, env.request_id()?);
    let mut topics = client.topics();
    let topic = if on {
        env.call(topics.subscribe(SubscribeRequest { name, request_id })).await?.into_inner().topic
    } else {
        env.call(topics.unsubscribe(UnsubscribeRequest { name, request_id })).await?.into_inner().topic
    };
    let topic = topic.unwrap_or_default();
    let (done, undo) = if on { ("subscribed to", "unsubscribe") } else { ("unsubscribed from", "subscribe") };
    env.out.object(&views::topic(&topic), || format!("{done} topic/{}", topic.name));
    env.out.remark(&format!("undo: bib topic {undo} {}", topic.name));
    Ok(())
}
