//! `bib node forget ID`.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use bib_proto::v1::{ForgetNodeRequest, GetNodeRequest};
use serde_json::json;

/// Which node.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib node forget lab-b\n  bib node forget 9xKq3fZ1 --dry-run")]
pub(crate) struct Args {
    /// Name, peer id, or a unique beginning or end of it
    id: String,
    /// Say which node it would be, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Undoes a pairing.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let known = env.call(client.nodes().get_node(GetNodeRequest { id: args.id })).await?.into_inner().node;
    let node = known.unwrap_or_default();
    if !node.paired {
        let text = format!("{} is connected, and not paired with this node", node.id);
        return Err(CliError::new(Exit::Conflict, text)
            .because("NODE_NOT_PAIRED")
            .hint(format!("bib node disconnect {}", node.id)));
    }
    if args.dry_run {
        let record = json!({"id": node.id, "name": node.name, "paired": node.paired, "dryRun": true});
        return env.out.object(&record, || format!("would forget {} ({})", node.name, node.id));
    }
    let request = ForgetNodeRequest { id: node.id.clone(), request_id: env.request_id()? };
    env.call(client.nodes().forget_node(request)).await?;
    let record = json!({"id": node.id, "name": node.name, "paired": false});
    env.out.object(&record, || format!("forgot {} ({}); what was fetched from it stays", node.name, node.id))?;
    env.out.remark(
        "the other node knows this one until it forgets it, too; to pair again: bib invite, and bib join there",
    );
    Ok(())
}
