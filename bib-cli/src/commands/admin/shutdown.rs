//! `bib admin shutdown`.

use crate::error::CliResult;
use crate::session::Env;
use bib_proto::v1::ShutdownRequest;
use serde_json::json;

/// Stops the node in order.
pub(super) async fn run(env: &Env) -> CliResult {
    let client = env.client().await?;
    env.call(client.admin().shutdown(ShutdownRequest {})).await?;
    env.out.object(&json!({"state": "stopping"}), || "the node is stopping".to_owned());
    env.out.remark("start it again: bibd");
    Ok(())
}
