//! `bib dataset versions NAME`.

use crate::error::CliResult;
use crate::listing::Listing;
use crate::output::{age, bytes, column, field, wide, wide_table};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::v1::{ListVersionsRequest, Version};
use serde_json::Value;

/// Which dataset.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib dataset versions flights/2013\n  bib dataset versions flights/2013 --filter '!complete' -o name"
)]
pub(crate) struct Args {
    /// TOPIC/DATASET
    name: String,
    #[command(flatten)]
    listing: Listing,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints the versions, latest first.
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
    let mut rounds = Rounds::new(env, args.watch, args.listing.most());
    while rounds.next().await {
        let request = ListVersionsRequest { name: args.name.clone() };
        let versions = env.call(client.datasets().list_versions(request)).await?.into_inner().versions;
        let items: Vec<Value> = versions.iter().map(views::version).collect();
        let items = args.listing.pick(items, &views::version(&Version::default()))?;
        rounds.list(&items, &columns, "No version fits")?;
    }
    Ok(())
}
