//! `bib topic list`.

use crate::error::CliResult;
use crate::output::{age, bytes, column, field, wide};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::client::Client;
use bib_proto::v1::ListTopicsRequest;
use serde_json::Value;

/// How many.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib topic list\n  bib topic list --subscribed -o json")]
pub(crate) struct Args {
    /// At most this many; 0 for all
    #[arg(long, default_value_t = 100)]
    limit: u32,
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
    let mut rounds = Rounds::new(env, args.watch);
    while rounds.next().await {
        let items = all(env, &client, &args).await?;
        rounds.list(&items, &columns, "No topics yet. Create one: bib topic create weather")?;
    }
    Ok(())
}

async fn all(env: &Env, client: &Client, args: &Args) -> CliResult<Vec<Value>> {
    let mut topics = client.topics();
    let (mut items, mut page_token) = (Vec::<Value>::new(), String::new());
    loop {
        let request = ListTopicsRequest { page_size: 0, page_token };
        let page = env.call(topics.list_topics(request)).await?.into_inner();
        items.extend(page.topics.iter().filter(|topic| !args.subscribed || topic.subscribed).map(views::topic));
        page_token = page.next_page_token;
        if page_token.is_empty() || (args.limit > 0 && items.len() >= args.limit as usize) {
            break;
        }
    }
    if args.limit > 0 {
        items.truncate(args.limit as usize);
    }
    Ok(items)
}
