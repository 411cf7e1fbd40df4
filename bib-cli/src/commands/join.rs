//! `bib join TICKET`.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::global::parse_duration;
use crate::output::{counted, milliseconds, rfc3339};
use crate::session::Env;
use crate::views;
use bib_domain::ticket::Ticket;
use bib_proto::client::Client;
use bib_proto::v1::{GetNodeRequest, GetSelfRequest, JoinRequest, ListTopicsRequest, Node};
use serde_json::{Value, json};
use std::time::Duration;

/// How often the catalogue is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// The most topics that are counted and named.
const TOPICS: u32 = 500;
/// How many topics a person is shown.
const SHOWN_TOPICS: usize = 5;

/// Which ticket.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib join bib1...\n  bib join --base bib1...   # a full node copies everything from it\n  \
    bib join --dry-run bib1...   # which node made the ticket, and until when it is good"
)]
pub(crate) struct Args {
    /// What `bib invite` printed on the other machine
    ticket: String,
    /// Take the catalogue from that node: a full node copies all of it
    #[arg(long)]
    base: bool,
    /// Longest to wait until that node's topics are known here; 0 to go on at once
    #[arg(long, value_parser = parse_duration, default_value = "10s", value_name = "DUR")]
    wait: Duration,
    /// Read the ticket, and pair with nobody
    #[arg(long)]
    dry_run: bool,
}

/// Pairs the two nodes, and waits until the topics of the other are known.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    // a ticket that was cut off or has expired needs no node to be refused
    let ticket: Ticket = args.ticket.trim().parse().map_err(|error: bib_domain::ticket::TicketError| {
        CliError::usage(error.to_string()).because("BAD_TICKET").hint("bib invite, on the other machine")
    })?;
    if args.dry_run {
        return plan(env, &ticket, args.base);
    }
    let client = env.client().await?;
    let request = JoinRequest { ticket: args.ticket, base: args.base, request_id: env.request_id()? };
    let node = env.call(client.nodes().join(request)).await?.into_inner().node.unwrap_or_default();
    let read = catalog_read(env, &client, &node.id, args.wait).await?;
    let request = ListTopicsRequest { page_size: TOPICS, page_token: String::new() };
    let topics = env.call(client.topics().list_topics(request)).await?.into_inner().topics;
    let names: Vec<String> = topics.into_iter().map(|topic| topic.name).collect();
    let mut record = views::node(&node);
    if let Value::Object(fields) = &mut record {
        fields.insert("catalogRead".to_owned(), json!(read));
        fields.insert("topics".to_owned(), json!(names));
    }
    env.out.object(&record, || people(&node, read, &names))?;
    if !read && !args.wait.is_zero() {
        env.out.remark(&format!(
            "its catalogue did not arrive within {}; it comes by itself as soon as the two are connected: bib node info {}",
            milliseconds(args.wait),
            node.name,
        ));
    }
    let own = env.call(client.nodes().get_self(GetSelfRequest {})).await?.into_inner().node.unwrap_or_default();
    let next = match (own.mode.as_str(), names.is_empty()) {
        ("proxy", _) => "see what it has: bib dataset list",
        (_, true) => "see its topics: bib topic list",
        (_, false) => "get one: bib topic subscribe TOPIC",
    };
    env.out.remark(next);
    Ok(())
}

fn people(node: &Node, read: bool, topics: &[String]) -> String {
    let storage = if node.storage == "sqlite" { ", a cache that serves nobody" } else { "" };
    let mut text = format!("✓ paired with {} ({}), a {} node{storage}\n", node.name, node.id, node.mode);
    if read {
        let shown = topics.iter().take(SHOWN_TOPICS).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if topics.len() > SHOWN_TOPICS { ", and more" } else { "" };
        let names = if topics.is_empty() { String::new() } else { format!(": {shown}{more}") };
        text.push_str(&format!("✓ its catalogue is here; {} known{names}\n", counted(topics.len() as u64, "topic")));
    }
    text
}

/// Whether the catalogue of the node was read to its end within `limit`.
async fn catalog_read(env: &Env, client: &Client, id: &str, limit: Duration) -> CliResult<bool> {
    let mut waited = Duration::ZERO;
    loop {
        let answer = env.call(client.nodes().get_node(GetNodeRequest { id: id.to_owned() })).await?;
        if answer.into_inner().node.is_some_and(|node| node.catalog_read_ms > 0) {
            return Ok(true);
        }
        if waited >= limit {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
    }
}

fn plan(env: &Env, ticket: &Ticket, base: bool) -> CliResult {
    let expires = rfc3339(ticket.expires_ms());
    if ticket.expires_ms() < crate::now_ms() {
        return Err(CliError::new(Exit::Conflict, format!("the ticket was good until {expires}"))
            .because("TICKET_EXPIRED")
            .hint("make a new one on the other machine: bib invite"));
    }
    let record = json!({"id": ticket.node().to_string(), "addresses": ticket.addresses(), "expiresAt": expires,
        "base": base, "dryRun": true});
    env.out.object(&record, || {
        let mut text = format!("would pair with {}\nthe ticket is good once, until {expires}\n", ticket.node());
        ticket.addresses().iter().for_each(|address| text.push_str(&format!("would dial {address}\n")));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_arrived() {
        let node = Node { name: "lab-a".into(), mode: "full".into(), ..Node::default() };
        let topics: Vec<String> = (0..7).map(|number| format!("t{number}")).collect();
        let text = people(&node, true, &topics);
        assert!(text.contains("7 topics known: t0, t1, t2, t3, t4, and more"), "{text}");
        assert!(people(&node, true, &[]).contains("0 topics known\n"));
        assert!(!people(&node, false, &topics).contains("catalogue"));
    }
}
