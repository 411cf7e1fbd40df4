//! `bib node disconnect ID`.

use crate::error::CliResult;
use crate::session::Env;
use bib_proto::v1::{DisconnectNodeRequest, GetNodeRequest};
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib node disconnect lab-b\n  bib node disconnect 9xKq3fZ1")]
pub(crate) struct Args {
    /// Name, peer id, or a unique beginning or end of it
    id: String,
    /// Say which node it would be, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Hangs up. A paired node is dialled again later.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    if args.dry_run {
        let known = env.call(client.nodes().get_node(GetNodeRequest { id: args.id })).await?.into_inner().node;
        let node = known.unwrap_or_default();
        let record = json!({"id": node.id, "connected": node.connected, "dryRun": true});
        env.out.object(&record, || format!("would disconnect from {} ({})", node.name, node.id))?;
        return Ok(());
    }
    let known = env.call(client.nodes().get_node(GetNodeRequest { id: args.id })).await?.into_inner().node;
    let node = known.unwrap_or_default();
    env.call(client.nodes().disconnect_node(DisconnectNodeRequest { id: node.id.clone() })).await?;
    let record = json!({"id": node.id, "name": node.name, "connected": false});
    env.out.object(&record, || format!("disconnected from {} ({})", node.name, node.id))?;
    let address = node.addresses.first().map_or_else(|| "ADDR".to_owned(), |address| with_id(address, &node.id));
    env.out.remark(&format!("a paired node is dialled again when it is needed; at once: bib node connect {address}"));
    Ok(())
}

/// The address with the id at its end, so that nobody else is taken for the node.
fn with_id(address: &str, id: &str) -> String {
    if address.contains("/p2p/") { address.to_owned() } else { format!("{address}/p2p/{id}") }
}
