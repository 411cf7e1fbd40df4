//! `bib status`: how the node is, on one screen.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{Output, bytes, count};
use crate::session::Env;
use crate::views;
use bib_proto::v1::{GetHealthRequest, GetHealthResponse, GetSelfRequest, GetSelfResponse};
use serde_json::{Value, json};
use std::time::Duration;

/// How often `--watch` looks again.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// What to show.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib status\n  bib status --exit-code -q   # 11 unless all is well\n  bib status --watch"
)]
pub(crate) struct Args {
    /// Exit with 11 unless the node is ready and nothing needs attention
    #[arg(long)]
    exit_code: bool,
    /// Show again every two seconds
    #[arg(short, long)]
    watch: bool,
}

/// Prints the status.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    loop {
        let (node, health) = look(env).await?;
        let well = health.ready && health.warnings.is_empty();
        let record = record(&node, &health);
        env.out.object(&record, || people(&env.out, &node, &health));
        if !args.watch {
            return match (args.exit_code, well) {
                (true, false) => Err(CliError::new(Exit::Unhealthy, "the node is not well: see the lines above")),
                _ => Ok(()),
            };
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

async fn look(env: &Env) -> CliResult<(GetSelfResponse, GetHealthResponse)> {
    let client = env.client().await?;
    let (mut nodes, mut health) = (client.nodes(), client.health());
    let both = async {
        let (node, health) = tokio::join!(nodes.get_self(GetSelfRequest {}), health.get_health(GetHealthRequest {}));
        Ok((node?.into_inner(), health?.into_inner()))
    };
    env.call(both).await
}

fn record(answer: &GetSelfResponse, health: &GetHealthResponse) -> Value {
    let mut record = views::node(answer.node.as_ref().unwrap_or(&bib_proto::v1::Node::default()));
    let more = json!({
        "version": answer.version, "dataDir": answer.data_dir, "databaseRuntime": answer.database_runtime,
        "storageNotice": answer.storage_notice, "tlsFingerprint": answer.tls_fingerprint, "topics": answer.topics,
        "datasets": answer.datasets, "versions": answer.versions, "storeBytes": answer.store_bytes,
        "storeChunks": answer.store_chunks, "startedMs": answer.started_ms,
        "transfers": answer.transfers.iter().map(views::transfer).collect::<Vec<_>>(),
        "ready": health.ready, "warnings": health.warnings,
        "actors": health.actors.iter().map(views::actor).collect::<Vec<_>>(),
    });
    if let (Value::Object(record), Value::Object(more)) = (&mut record, more) {
        record.extend(more);
    }
    record
}

fn glyph(state: &str) -> &'static str {
    match state {
        "running" => "●",
        "starting" | "restarting" => "◌",
        "failed" => "✗",
        _ => "!",
    }
}

fn people(out: &Output, answer: &GetSelfResponse, health: &GetHealthResponse) -> String {
    let node = answer.node.clone().unwrap_or_default();
    let ready = if health.ready { "● ready" } else { "◌ not ready" };
    let mut text = format!(
        "{}  {ready}  {} node, {}{}, bibd {}\n",
        node.name,
        node.mode,
        answer.database_runtime,
        if node.storage == "sqlite" { " (untrusted-storage)" } else { "" },
        answer.version,
    );
    text.push_str(&format!("id           {}\n", node.id));
    text.push_str(&format!("data         {}\n", answer.data_dir));
    text.push_str(&format!("fingerprint  {}\n", answer.tls_fingerprint));
    text.push_str(&format!(
        "holds        {} topics, {} datasets, {} versions, {} in {} chunks\n",
        count(answer.topics),
        count(answer.datasets),
        count(answer.versions),
        bytes(answer.store_bytes),
        count(answer.store_chunks),
    ));
    text.push_str("\nactors\n");
    let rows: Vec<Vec<String>> = health
        .actors
        .iter()
        .map(|actor| {
            let restarts = if actor.restarts == 0 { String::new() } else { format!("{} restarts", actor.restarts) };
            let mailbox = format!("mailbox {}/{}", actor.mailbox_used, actor.mailbox_capacity);
            let name = format!("  {} {}", glyph(&actor.state), actor.name);
            vec![
                name,
                actor.state.clone(),
                format!("incarnation {}", actor.incarnation),
                mailbox,
                restarts,
                actor.last_failure.clone(),
            ]
        })
        .collect();
    text.push_str(&crate::output::align(&rows));
    if !answer.transfers.is_empty() {
        text.push_str("\ntransfers\n");
        for transfer in &answer.transfers {
            let percent = (transfer.bytes_done * 100).checked_div(transfer.bytes_total).unwrap_or(100);
            let peers = transfer.peers.len();
            let (total, state) = (bytes(transfer.bytes_total), &transfer.state);
            text.push_str(&format!(
                "  {}  {state}  {percent}% of {total} from {peers} peers  {}\n",
                transfer.dataset, transfer.error
            ));
        }
    }
    if !health.warnings.is_empty() {
        text.push_str("\nneeds attention\n");
        health.warnings.iter().for_each(|warning| text.push_str(&format!("  ! {warning}\n")));
    }
    if answer.topics == 0 && !out.is_quiet() {
        text.push_str(
            "\nnext\n  bib topic create weather\n  bib dataset upload FOLDER --topic weather --name stations\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_proto::v1::{ActorHealth, Node};

    #[test]
    fn tells_what_happened_to_an_actor() {
        let node = Node { name: "lab-a".into(), mode: "full".into(), ..Node::default() };
        let answer = GetSelfResponse { node: Some(node), topics: 1, ..GetSelfResponse::default() };
        let actor = ActorHealth {
            name: "swarm".into(),
            state: "running".into(),
            restarts: 2,
            last_failure: "boom".into(),
            ..ActorHealth::default()
        };
        let health =
            GetHealthResponse { ready: true, actors: vec![actor], warnings: vec!["disk is nearly full".into()] };
        let text = people(&Output::for_tests(), &answer, &health);
        for word in ["lab-a", "● swarm", "2 restarts", "boom", "! disk is nearly full"] {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
        assert_eq!(record(&answer, &health)["name"], "lab-a");
    }
}
