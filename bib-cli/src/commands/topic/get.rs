//! `bib topic get NAME`.

use crate::error::CliResult;
use crate::output::bytes;
use crate::session::Env;
use crate::views;
use bib_proto::v1::GetTopicRequest;

/// Which topic.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib topic get flights\n  bib topic get flights -o yaml")]
pub(crate) struct Args {
    /// Name of the topic
    name: String,
}

/// Prints one topic.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let request = GetTopicRequest { name: args.name };
    let answer = env.call(client.topics().get_topic(request)).await.map_err(super::subscribe::elsewhere)?;
    let topic = answer.into_inner().topic.unwrap_or_default();
    env.out.object(&views::topic(&topic), || {
        format!(
            "name:        {}\ndescription: {}\nowner:       {}\ndatasets:    {}\nsize:        {}\nsubscribed:  {}\n",
            topic.name,
            topic.description,
            topic.owner,
            topic.datasets,
            bytes(topic.bytes),
            if topic.subscribed { "yes" } else { "no" },
        )
    });
    Ok(())
}
