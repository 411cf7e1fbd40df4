//! `bib node list`.

use crate::error::CliResult;
use crate::listing::Listing;
use crate::output::{age, column, field, wide, wide_table};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::v1::{ListNodesRequest, Node};
use serde_json::Value;

/// Which nodes.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib node list\n  bib node list --connected --filter 'connected && rttUs < 5000' -o json"
)]
pub(crate) struct Args {
    /// Only those that are connected now
    #[arg(long)]
    connected: bool,
    #[command(flatten)]
    listing: Listing,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints the nodes.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let columns = [
        column("NAME", |v| field(v, "name")),
        column("PEER", |v| {
            let id = field(v, "id");
            id[id.len().saturating_sub(8)..].to_owned()
        })
        .exact("id", |v| field(v, "id")),
        wide_table("ID", |v| field(v, "id")),
        column("MODE", |v| field(v, "mode")),
        column("TRUST", |v| field(v, "trust").trim_end_matches("-storage").to_owned())
            .exact("trust", |v| field(v, "trust")),
        column("STATE", |v| state(v).into()).exact("state", |v| views::word(state(v)).into()),
        column("TRANSPORT", |v| field(v, "transport")),
        column("RTT", |v| match v["rttUs"].as_u64().unwrap_or(0) {
            0 => String::new(),
            us if us < 10_000 => format!("{}.{}ms", us / 1000, us % 1000 / 100),
            us => format!("{}ms", us / 1000),
        })
        .exact("rtt_us", |v| v["rttUs"].as_u64().filter(|us| *us > 0).map_or_else(String::new, |us| us.to_string())),
        wide("BLAMED", |v| field(v, "blamed")),
        column("SEEN", |v| age(v["lastSeenMs"].as_i64().unwrap_or(0), crate::now_ms()))
            .exact("seen", |v| field(v, "lastSeenAt")),
    ];
    let client = env.client().await?;
    let mut rounds = Rounds::new(env, args.watch, args.listing.most());
    while rounds.next().await {
        let request = ListNodesRequest { connected_only: args.connected };
        let nodes = env.call(client.nodes().list_nodes(request)).await?.into_inner().nodes;
        let items: Vec<Value> = nodes.iter().map(views::node).collect();
        let items = args.listing.pick(items, &views::node(&Node::default()))?;
        rounds.list(&items, &columns, "No other nodes yet. Pair one: bib invite here, bib join TICKET there")?;
    }
    Ok(())
}

fn state(node: &Value) -> &'static str {
    if node["connected"] == true { "● connected" } else { "◌ away" }
}
