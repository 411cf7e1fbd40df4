//! `bib admin shutdown`.

use crate::error::CliResult;
use crate::session::Env;
use bib_proto::v1::{GetSelfRequest, ShutdownRequest};
use serde_json::json;

/// Whether to do it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib admin shutdown\n  bib admin shutdown --dry-run   # which node it would be")]
pub(crate) struct Args {
    /// Say which node it would be, and leave it running
    #[arg(long)]
    dry_run: bool,
}

/// Stops the node in order.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    if args.dry_run {
        let node = env.call(client.nodes().get_self(GetSelfRequest {})).await?.into_inner().node.unwrap_or_default();
        let record = json!({"name": node.name, "id": node.id, "state": "running", "dryRun": true});
        env.out.object(&record, || format!("would stop {} ({})", node.name, node.id))?;
        return Ok(());
    }
    env.call(client.admin().shutdown(ShutdownRequest {})).await?;
    env.out.object(&json!({"state": "stopping"}), || "the node is stopping".to_owned())?;
    env.out.remark("start it again: bibd");
    Ok(())
}
