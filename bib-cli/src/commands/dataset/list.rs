//! `bib dataset list`.

use crate::error::CliResult;
use crate::output::{age, bytes, column, field, wide};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::client::Client;
use bib_proto::v1::ListDatasetsRequest;
use serde_json::Value;

/// Which datasets.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib dataset list\n  bib dataset list --topic flights -o json")]
pub(crate) struct Args {
    /// Only of this topic
    #[arg(long)]
    topic: Option<String>,
    /// At most this many; 0 for all
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints the datasets, page after page.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let columns = [
        column("NAME", |v| field(v, "name")),
        column("VERSION", |v| format!("v{}", v["latest"]["number"]))
            .exact("version", |v| field(&v["latest"], "number")),
        column("ID", |v| views::short_hash(&field(&v["latest"], "id"))).exact("id", |v| field(&v["latest"], "id")),
        column("FILES", |v| field(&v["latest"], "files")),
        column("ROWS", |v| field(&v["latest"], "rows")),
        column("SIZE", |v| bytes(v["latest"]["bytes"].as_u64().unwrap_or(0)))
            .exact("bytes", |v| field(&v["latest"], "bytes")),
        column("STATE", |v| if v["latest"]["complete"] == true { "complete".into() } else { "arriving".into() }),
        wide("PUBLISHER", |v| field(&v["latest"], "publisher")),
        column("AGE", |v| age(v["updatedMs"].as_i64().unwrap_or(0), crate::now_ms()))
            .exact("updated", |v| field(v, "updatedAt")),
    ];
    let empty = match &args.topic {
        Some(topic) => format!("No datasets in {topic} yet. Put one in: bib dataset upload FOLDER --topic {topic}"),
        None => "No datasets yet. Put one in: bib dataset upload FOLDER --topic TOPIC --name NAME".to_owned(),
    };
    let client = env.client().await?;
    let mut rounds = Rounds::new(env, args.watch);
    while rounds.next().await {
        let items = all(env, &client, &args).await?;
        rounds.list(&items, &columns, &empty)?;
    }
    Ok(())
}

async fn all(env: &Env, client: &Client, args: &Args) -> CliResult<Vec<Value>> {
    let mut datasets = client.datasets();
    let topic = args.topic.clone().unwrap_or_default();
    let (mut items, mut page_token) = (Vec::<Value>::new(), String::new());
    loop {
        let request = ListDatasetsRequest { topic: topic.clone(), page_token, ..Default::default() };
        let page = env.call(datasets.list_datasets(request)).await?.into_inner();
        items.extend(page.datasets.iter().map(views::dataset));
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
