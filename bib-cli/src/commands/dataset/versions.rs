//! `bib dataset versions NAME`.

use crate::error::CliResult;
use crate::listing::{Found, Paging};
use crate::output::{age, bytes, column, field, wide, wide_table};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::client::Client;
use bib_proto::v1::{ListVersionsRequest, Version};

/// Which dataset.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib dataset versions flights/2013\n  bib dataset versions flights/2013 --filter '!complete' -o name"
)]
pub(crate) struct Args {
    /// TOPIC/DATASET
    name: String,
    #[command(flatten)]
    paging: Paging,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints the versions, latest first, page after page.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let columns = [
        column("VERSION", |v| format!("v{}", v["number"])).exact("version", |v| field(v, "number")),
        column("ID", |v| views::short_hash(&field(v, "id"))).exact("id", |v| field(v, "id")),
        wide_table("FULL", |v| field(v, "id")),
        column("FILES", |v| field(v, "files")),
        column("SIZE", |v| bytes(v["bytes"].as_u64().unwrap_or(0))).exact("bytes", |v| field(v, "bytes")),
        column("STATE", |v| views::completeness(v).into())
            .exact("state", |v| views::word(views::completeness(v)).into()),
        wide("PUBLISHER", |v| field(v, "publisher")),
        column("MESSAGE", |v| field(v, "message")),
        column("AGE", |v| age(v["createdMs"].as_i64().unwrap_or(0), crate::now_ms()))
            .exact("created", |v| field(v, "createdAt")),
    ];
    let mut rounds = Rounds::new(env, args.watch, args.paging.most());
    while rounds.next().await {
        let found = find(env, &client, &args).await?;
        rounds.pages(&found, &columns, "No version fits")?;
    }
    Ok(())
}

async fn find(env: &Env, client: &Client, args: &Args) -> CliResult<Found> {
    let fetch = async |page_size, page_token| {
        let request = ListVersionsRequest { name: args.name.clone(), page_size, page_token };
        let page = env.call(client.datasets().list_versions(request)).await?.into_inner();
        Ok((page.versions.iter().map(views::version).collect(), page.next_page_token))
    };
    args.paging.collect(env.out.sorts(), &views::version(&Version::default()), |_| true, fetch).await
}
