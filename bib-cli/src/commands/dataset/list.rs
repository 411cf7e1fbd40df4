//! `bib dataset list`.

use crate::error::CliResult;
use crate::listing::{Found, Paging};
use crate::output::{age, bytes, column, field, wide};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::client::Client;
use bib_proto::v1::{Dataset, ListDatasetsRequest, Version};

/// Which datasets.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib dataset list\n  bib dataset list --topic flights --filter 'latest.rows > 1000' -o json"
)]
pub(crate) struct Args {
    /// Only of this topic
    #[arg(long)]
    topic: Option<String>,
    #[command(flatten)]
    paging: Paging,
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
        column("STATE", |v| views::completeness(&v["latest"]).into())
            .exact("state", |v| views::word(views::completeness(&v["latest"])).into()),
        wide("PUBLISHER", |v| field(&v["latest"], "publisher")),
        column("AGE", |v| age(v["updatedMs"].as_i64().unwrap_or(0), crate::now_ms()))
            .exact("updated", |v| field(v, "updatedAt")),
    ];
    let empty = match &args.topic {
        Some(topic) => format!("No datasets in {topic} yet. Put one in: bib dataset upload FOLDER --topic {topic}"),
        None => "No datasets yet. Put one in: bib dataset upload FOLDER --topic TOPIC --name NAME".to_owned(),
    };
    let client = env.client().await?;
    let mut rounds = Rounds::new(env, args.watch, args.paging.most());
    while rounds.next().await {
        let found = find(env, &client, &args).await?;
        let empty = found.or_nothing(env, &client, &empty).await;
        rounds.pages(&found, &columns, &empty)?;
    }
    Ok(())
}

async fn find(env: &Env, client: &Client, args: &Args) -> CliResult<Found> {
    let template = views::dataset(&Dataset { latest: Some(Version::default()), ..Dataset::default() });
    let fetch = async |page_size, page_token| {
        let topic = args.topic.clone().unwrap_or_default();
        let request = ListDatasetsRequest { topic, page_size, page_token, ..Default::default() };
        let page = env.call(client.datasets().list_datasets(request)).await?.into_inner();
        Ok((page.datasets.iter().map(views::dataset).collect(), page.next_page_token))
    };
    args.paging.collect(env.out.sorts(), &template, |_| true, fetch).await
}
