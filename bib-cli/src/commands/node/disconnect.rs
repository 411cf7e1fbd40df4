//! `bib node disconnect ID`.

use crate::error::CliResult;
use crate::session::Env;
use bib_proto::v1::{DisconnectNodeRequest, GetNodeRequest};
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib node disconnect lab-b\n  bib node disconnect 9xKq3fZ1")]
pub(crate) struct Args {
    /// Name, peer id or a unique end of it
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
        env.out.object(&record, || format!("would disconnect from {} ({})", node.name, node.id));
        return Ok(());
    }
    env.call(client.nodes().disconnect_node(DisconnectNodeRequest { id: args.id.clone() })).await?;
    env.out.object(&json!({"id": args.id, "connected": false}), || format!("disconnected from {}", args.id));
    env.out.remark("a paired node is dialled again when it is needed; at once: bib node connect ADDR");
    Ok(())
}
