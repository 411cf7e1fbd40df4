//! `bib topic list`.

use crate::error::CliResult;
use crate::listing::{Found, Paging};
use crate::output::{age, bytes, column, field, wide};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::client::Client;
use bib_proto::v1::{ListTopicsRequest, Topic};
use serde_json::Value;

/// Which topics.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib topic list\n  bib topic list --filter 'bytes > 1000000000' --sort size:desc")]
pub(crate) struct Args {
    #[command(flatten)]
    paging: Paging,
    /// Only those that this node gets
    #[arg(long)]
    subscribed: bool,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints the topics, page after page.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let columns = [
        column("NAME", |v| field(v, "name")),
        column("DATASETS", |v| field(v, "datasets")),
        column("SIZE", |v| bytes(v["bytes"].as_u64().unwrap_or(0))).exact("bytes", |v| field(v, "bytes")),
        column("SUBSCRIBED", |v| if v["subscribed"] == true { "yes".into() } else { "no".into() }),
        wide("OWNER", |v| field(v, "owner")),
        wide("DESCRIPTION", |v| field(v, "description")),
        column("AGE", |v| age(v["updatedMs"].as_i64().unwrap_or(0), crate::now_ms()))
            .exact("updated", |v| field(v, "updatedAt")),
    ];
    let client = env.client().await?;
    let mut rounds = Rounds::new(env, args.watch, args.paging.most());
    while rounds.next().await {
        let found = find(env, &client, &args).await?;
        let empty = found.or_nothing(env, &client, "No topics yet. Create one: bib topic create weather").await;
        rounds.pages(&found, &columns, &empty)?;
    }
    Ok(())
}

async fn find(env: &Env, client: &Client, args: &Args) -> CliResult<Found> {
    let wanted = |topic: &Value| !args.subscribed || topic["subscribed"] == true;
    let fetch = async |page_size, page_token| {
        let request = ListTopicsRequest { page_size, page_token };
        let page = env.call(client.topics().list_topics(request)).await?.into_inner();
        Ok((page.topics.iter().map(views::topic).collect(), page.next_page_token))
    };
    args.paging.collect(env.out.sorts(), &views::topic(&Topic::default()), wanted, fetch).await
}
