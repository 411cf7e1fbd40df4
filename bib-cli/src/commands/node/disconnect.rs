//! `bib node disconnect ID`.

use crate::error::CliResult;
use crate::session::Env;
use bib_proto::v1::DisconnectNodeRequest;
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib node disconnect lab-b\n  bib node disconnect 9xKq3fZ1")]
pub(crate) struct Args {
    /// Name, peer id or a unique end of it
    id: String,
}

/// Hangs up. A paired node is dialled again later.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    env.call(client.nodes().disconnect_node(DisconnectNodeRequest { id: args.id.clone() })).await?;
    env.out.object(&json!({"id": args.id, "connected": false}), || format!("disconnected from {}", args.id));
    env.out.remark("a paired node is dialled again when it is needed");
    Ok(())
}
