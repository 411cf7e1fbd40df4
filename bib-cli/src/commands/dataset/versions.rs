//! `bib dataset versions NAME`.

use crate::error::CliResult;
use crate::output::{age, bytes, column, field, wide, wide_table};
use crate::session::Env;
use crate::views;
use bib_proto::v1::ListVersionsRequest;
use serde_json::Value;

/// Which dataset.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib dataset versions flights/2013\n  bib dataset versions flights/2013 -o name")]
pub(crate) struct Args {
    /// TOPIC/DATASET
    name: String,
}

/// Prints the versions, latest first.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let request = ListVersionsRequest { name: args.name };
    let versions = env.call(client.datasets().list_versions(request)).await?.into_inner().versions;
    let items: Vec<Value> = versions.iter().map(views::version).collect();
    let columns = [
        column("VERSION", |v| format!("v{}", v["number"])).exact("version", |v| field(v, "number")),
        column("ID", |v| views::short_hash(&field(v, "id"))).exact("id", |v| field(v, "id")),
        wide_table("FULL", |v| field(v, "id")),
        column("FILES", |v| field(v, "files")),
        column("SIZE", |v| bytes(v["bytes"].as_u64().unwrap_or(0))).exact("bytes", |v| field(v, "bytes")),
        column("STATE", |v| if v["complete"] == true { "complete".into() } else { "arriving".into() }),
        wide("PUBLISHER", |v| field(v, "publisher")),
        column("MESSAGE", |v| field(v, "message")),
        column("AGE", |v| age(v["createdMs"].as_i64().unwrap_or(0), crate::now_ms()))
            .exact("created", |v| field(v, "createdAt")),
    ];
    env.out.list(&items, &columns, "No versions")
}
