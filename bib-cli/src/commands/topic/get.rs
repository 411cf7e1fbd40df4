//! `bib topic get NAME`.

use crate::error::CliResult;
use crate::output::bytes;
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::v1::{GetTopicRequest, Topic};

/// Which topic.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib topic get flights\n  bib topic get flights -o yaml")]
pub(crate) struct Args {
    /// Name of the topic
    name: String,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints one topic.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let mut rounds = Rounds::new(env, args.watch, None);
    while rounds.next().await {
        let request = GetTopicRequest { name: args.name.clone() };
        let answer = env.call(client.topics().get_topic(request)).await.map_err(super::subscribe::elsewhere)?;
        let topic = answer.into_inner().topic.unwrap_or_default();
        rounds.object(&views::topic(&topic), || people(&topic))?;
    }
    Ok(())
}

fn people(topic: &Topic) -> String {
    format!(
        "name:        {}\ndescription: {}\nowner:       {}\ndatasets:    {}\nsize:        {}\nsubscribed:  {}\n",
        topic.name,
        topic.description,
        topic.owner,
        topic.datasets,
        bytes(topic.bytes),
        if topic.subscribed { "yes" } else { "no" },
    )
}
