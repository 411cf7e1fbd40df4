//! `bib topic create NAME`.

use crate::error::CliResult;
use crate::session::Env;
use crate::views;
use bib_proto::v1::CreateTopicRequest;

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
}

/// Makes the topic.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let request = CreateTopicRequest {
        name: args.name,
        description: args.description,
        if_not_exists: args.if_not_exists,
        request_id: env.request_id()?,
    };
    let topic = env.call(client.topics().create_topic(request)).await?.into_inner().topic.unwrap_or_default();
    env.out.object(&views::topic(&topic), || format!("topic/{} created", topic.name));
    Ok(())
}
