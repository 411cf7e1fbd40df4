//! `bib status`: how the node is, on one screen.

use crate::error::{CliError, CliResult, printable};
use crate::exit::Exit;
use crate::output::{age, align, bytes, counted, rfc3339, terminal_width, wrap};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::client::Client;
use bib_proto::v1::{
    ActorHealth, GetHealthRequest, GetHealthResponse, GetSelfRequest, GetSelfResponse, ListNodesRequest, Node, Transfer,
};
use serde_json::{Value, json};

/// How many peers a person is shown; programs get all.
const SHOWN_PEERS: usize = 20;

/// What to show.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib status\n  bib status --exit-code -q   # exit code 11 unless all is well\n  bib status --watch"
)]
pub(crate) struct Args {
    /// Exit with 11 unless the node is ready and nothing new needs attention
    #[arg(long)]
    exit_code: bool,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
    /// Say where this program and the node on this machine keep their files
    #[arg(long, conflicts_with_all = ["exit_code", "watch"])]
    paths: bool,
}

/// Prints the status.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    if args.paths {
        return super::config::list::paths(env);
    }
    let client = env.client().await?;
    let mut rounds = Rounds::new(env, args.watch, None);
    let mut well = true;
    while rounds.next().await {
        let seen = look(env, &client).await?;
        well = is_well(&seen);
        rounds.object(&record(&seen), || people(&seen, terminal_width().unwrap_or(usize::MAX)))?;
    }
    if args.exit_code && !well {
        return Err(CliError::new(Exit::Unhealthy, "the node is not well: see the lines above")
            .because("UNHEALTHY")
            .hint("bib doctor"));
    }
    Ok(())
}

/// What is asked for a status.
#[derive(Default)]
struct Seen {
    node: GetSelfResponse,
    health: GetHealthResponse,
    peers: Vec<Node>,
}

async fn look(env: &Env, client: &Client) -> CliResult<Seen> {
    let (mut own, mut others, mut health) = (client.nodes(), client.nodes(), client.health());
    let all = Box::pin(async {
        let (node, health, peers) = tokio::join!(
            own.get_self(GetSelfRequest {}),
            health.get_health(GetHealthRequest {}),
            others.list_nodes(ListNodesRequest { connected_only: false }),
        );
        Ok(Seen { node: node?.into_inner(), health: health?.into_inner(), peers: peers?.into_inner().nodes })
    });
    env.call(all).await
}

/// What the storage cannot do is told, but is as it was set up.
fn is_well(seen: &Seen) -> bool {
    seen.health.ready && seen.health.warnings.iter().all(|warning| *warning == seen.node.storage_notice)
}

fn record(seen: &Seen) -> Value {
    let Seen { node: answer, health, peers } = seen;
    let mut record = answer.node.as_ref().map_or_else(|| views::node(&Node::default()), views::node);
    let more = json!({
        "version": answer.version, "dataDir": answer.data_dir, "databaseRuntime": answer.database_runtime,
        "storageNotice": answer.storage_notice, "tlsFingerprint": views::fingerprint(&answer.tls_fingerprint), "topics": answer.topics,
        "datasets": answer.datasets, "versions": answer.versions, "storeBytes": answer.store_bytes,
        "storeChunks": answer.store_chunks, "startedMs": answer.started_ms,
        "startedAt": rfc3339(answer.started_ms), "peers": peers.iter().map(views::node).collect::<Vec<_>>(),
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
        "done" => "✓",
        "starting" | "restarting" | "queued" => "◌",
        "failed" => "✗",
        _ => "!",
    }
}

fn people(seen: &Seen, width: usize) -> String {
    let Seen { node: answer, health, peers } = seen;
    let node = answer.node.clone().unwrap_or_default();
    let ready = if health.ready { "● ready" } else { "◌ not ready" };
    let storage = match (node.storage.as_str(), answer.database_runtime.as_str()) {
        ("sqlite", _) => "SQLite (untrusted-storage)".to_owned(),
        ("postgres", runtime) => format!("PostgreSQL ({runtime})"),
        (_, runtime) => runtime.to_owned(),
    };
    let up = age(answer.started_ms, crate::now_ms());
    let mut text = format!("{}  {ready}  {} node, {storage}, bibd {}, up {up}\n", node.name, node.mode, answer.version);
    text.push_str(&format!("id           {}\n", node.id));
    text.push_str(&format!("data         {}\n", answer.data_dir));
    text.push_str(&format!("fingerprint  {}\n", views::fingerprint(&answer.tls_fingerprint)));
    text.push_str(&format!(
        "holds        {}, {}, {}, {} in {}\n",
        counted(answer.topics, "topic"),
        counted(answer.datasets, "dataset"),
        counted(answer.versions, "version"),
        bytes(answer.store_bytes),
        counted(answer.store_chunks, "chunk"),
    ));
    text.push_str("\nactors\n");
    text.push_str(&align(&actors(health)));
    if !peers.is_empty() {
        text.push_str("\npeers\n");
        text.push_str(&align(&peers.iter().take(SHOWN_PEERS).map(peer).collect::<Vec<_>>()));
    }
    if peers.len() > SHOWN_PEERS {
        text.push_str(&format!("  and {} more: bib node list\n", peers.len() - SHOWN_PEERS));
    }
    if !answer.transfers.is_empty() {
        text.push_str("\ntransfers\n");
        text.push_str(&align(&answer.transfers.iter().map(transfer).collect::<Vec<_>>()));
    }
    if !health.warnings.is_empty() {
        text.push_str("\nneeds attention\n");
        for warning in &health.warnings {
            text.push_str(&format!("  {}\n", wrap(&format!("! {warning}"), width.saturating_sub(2), "    ")));
        }
    }
    for (number, hint) in next(seen).into_iter().enumerate() {
        text.push_str(if number == 0 { "\nnext\n" } else { "" });
        text.push_str(&format!("  {hint}\n"));
    }
    printable(&text)
}

fn actors(health: &GetHealthResponse) -> Vec<Vec<String>> {
    let row = |actor: &ActorHealth| {
        let restarts = if actor.restarts == 0 { String::new() } else { counted(actor.restarts, "restart") };
        vec![
            format!("  {} {}", glyph(&actor.state), actor.name),
            actor.state.clone(),
            format!("incarnation {}", actor.incarnation),
            format!("mailbox {}/{}", actor.mailbox_used, actor.mailbox_capacity),
            restarts,
            actor.last_failure.clone(),
        ]
    };
    health.actors.iter().map(row).collect()
}

fn peer(node: &Node) -> Vec<String> {
    let (glyph, state) = if node.connected { ("●", "connected") } else { ("◌", "away") };
    let seen = match age(node.last_seen_ms, crate::now_ms()) {
        seen if seen.is_empty() || node.connected => String::new(),
        seen => format!("seen {seen} ago"),
    };
    let trust = if node.storage == "sqlite" { "untrusted-storage" } else { "" };
    let blamed = if node.blamed.is_empty() { String::new() } else { format!("BLAMED: {}", node.blamed) };
    let pairing = if node.paired { "" } else { "not paired" };
    let name = if node.name.is_empty() { &node.id } else { &node.name };
    let mut row = vec![format!("  {glyph} {name}"), state.to_owned(), node.mode.clone(), node.transport.clone()];
    row.push(
        [trust, pairing, &seen, &blamed].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "),
    );
    row
}

fn transfer(transfer: &Transfer) -> Vec<String> {
    let percent = (transfer.bytes_done * 100).checked_div(transfer.bytes_total).unwrap_or(100);
    let source = match transfer.peers.len() as u64 {
        0 if transfer.state == "done" => "was here already".to_owned(),
        0 => String::new(),
        peers => format!("from {}", counted(peers, "peer")),
    };
    vec![
        format!("  {} {}", glyph(&transfer.state), transfer.dataset),
        transfer.state.clone(),
        format!("{percent}% of {}", bytes(transfer.bytes_total)),
        source,
        transfer.error.clone(),
    ]
}

/// What to do with a node that has nothing yet.
fn next(seen: &Seen) -> Vec<&'static str> {
    let cache = seen.node.node.as_ref().is_some_and(|node| node.storage == "sqlite");
    let proxy = seen.node.node.as_ref().is_some_and(|node| node.mode == "proxy");
    match (seen.node.topics, seen.peers.is_empty(), cache) {
        (_, false, _) if proxy => vec!["bib dataset list   # what the nodes that it joined have"],
        (0, true, true) => vec!["bib join TICKET   # bib invite prints it on a node that has data"],
        (0, true, false) => {
            vec![
                "bib topic create weather",
                "bib dataset upload FOLDER --topic weather --name stations",
                "bib join TICKET   # bib invite prints it on a node that has data",
            ]
        }
        (_, false, _) if seen.node.datasets == 0 => vec!["bib topic list", "bib topic subscribe TOPIC"],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        let node = Node { name: "lab-a".into(), mode: "full".into(), storage: "postgres".into(), ..Node::default() };
        let actor = ActorHealth {
            name: "swarm".into(),
            state: "running".into(),
            restarts: 2,
            last_failure: "boom".into(),
            ..ActorHealth::default()
        };
        let answer = GetSelfResponse {
            node: Some(node),
            topics: 1,
            datasets: 1,
            database_runtime: "process".into(),
            tls_fingerprint: "ab".into(),
            ..GetSelfResponse::default()
        };
        let peer = Node { name: "lab-b".into(), paired: true, ..Node::default() };
        Seen {
            node: answer,
            health: GetHealthResponse {
                ready: true,
                actors: vec![actor],
                warnings: vec!["disk is nearly full".into()],
            },
            peers: vec![peer],
        }
    }

    #[test]
    fn tells_what_happened_to_an_actor() {
        let seen = seen();
        let text = people(&seen, 80);
        let words =
            ["lab-a", "● swarm", "2 restarts", "boom", "! disk is nearly full", "1 topic,", "PostgreSQL (process)"];
        for word in words.into_iter().chain(["sha256:ab", "◌ lab-b", "away"]) {
            assert!(text.contains(word), "{word} is missing in {text}");
        }
        assert_eq!(
            (record(&seen)["name"].as_str(), record(&seen)["peers"][0]["name"].as_str()),
            (Some("lab-a"), Some("lab-b"))
        );
    }

    #[test]
    fn what_the_storage_cannot_do_is_no_illness() {
        let mut seen = seen();
        assert!(!is_well(&seen));
        seen.health.warnings = vec!["a cache".into()];
        seen.node.storage_notice = "a cache".into();
        assert!(is_well(&seen));
        seen.health.ready = false;
        assert!(!is_well(&seen));
    }

    #[test]
    fn says_what_is_next_until_there_is_data() {
        let mut seen = seen();
        assert!(next(&seen).is_empty());
        seen.node.datasets = 0;
        assert_eq!(next(&seen)[1], "bib topic subscribe TOPIC");
        (seen.peers, seen.node.topics) = (Vec::new(), 0);
        assert_eq!(next(&seen)[0], "bib topic create weather");
        if let Some(node) = &mut seen.node.node {
            "sqlite".clone_into(&mut node.storage);
        }
        assert!(next(&seen)[0].starts_with("bib join"), "a cache cannot own data");
        if let Some(node) = &mut seen.node.node {
            "proxy".clone_into(&mut node.mode);
        }
        assert!(next(&seen)[0].starts_with("bib join"));
        seen.peers.push(Node::default());
        assert!(next(&seen)[0].starts_with("bib dataset list"), "a proxy subscribes to nothing");
    }
}
