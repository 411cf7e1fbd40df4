//! `bib node connect ADDR`.

use crate::error::CliResult;
use crate::session::Env;
use crate::views;
use bib_proto::v1::ConnectNodeRequest;
use serde_json::json;

/// Where.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib node connect /ip4/10.0.0.7/tcp/4001/p2p/12D3KooW...\n  bib node connect /dns/lab-b/tcp/4001"
)]
pub(crate) struct Args {
    /// Multiaddress, best with /p2p/PEERID at its end
    address: String,
    /// Say what would be dialled, and dial nobody
    #[arg(long)]
    dry_run: bool,
}

/// Dials.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    if args.dry_run {
        let record = json!({"address": args.address, "dryRun": true});
        return env.out.object(&record, || format!("would dial {}", args.address));
    }
    let request = ConnectNodeRequest { address: args.address };
    let node = env.call(client.nodes().connect_node(request)).await?.into_inner().node.unwrap_or_default();
    env.out.object(&views::node(&node), || {
        let name = if node.name.is_empty() { "a node" } else { &node.name };
        format!("✓ connected to {name} ({}) over {}", node.id, node.transport)
    })
}
