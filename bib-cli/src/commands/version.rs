//! `bib version`.

use crate::error::CliResult;
use crate::session::Env;
use bib_proto::v1::GetSelfRequest;
use serde_json::json;

/// Prints the version of this program, and of the node if one answers.
pub(super) async fn run(env: &Env) -> CliResult {
    let own = env!("CARGO_PKG_VERSION");
    let server = match env.client().await {
        Ok(client) => {
            let mut nodes = client.nodes();
            env.call(nodes.get_self(GetSelfRequest {})).await.ok().map(|answer| answer.into_inner().version)
        }
        Err(_) => None,
    };
    let shown = server.clone().unwrap_or_else(|| "not reached".to_owned());
    env.out.object(&json!({"name": own, "client": own, "server": server, "api": "bib.v1"}), || {
        format!("bib {own} · server {shown} · api bib.v1")
    })?;
    Ok(())
}
