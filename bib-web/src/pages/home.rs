//! The first page: how the node is, what is on its way, what needs attention, what to do first.

use crate::error::PageError;
use crate::format::{When, bytes, count, counted, lasting, now_ms, percent, short};
use crate::session::Visitor;
use crate::shell::{Shell, page};
use actix_web::{HttpResponse, web};
use askama::Template;
use bib_proto::v1::{
    ActorHealth, GetHealthRequest, GetHealthResponse, GetSelfRequest, GetSelfResponse, ListNodesRequest, Node, Transfer,
};

/// Adds the route.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.route("/", web::get().to(show));
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    shell: Shell,
    mode: String,
    storage: String,
    sentence: String,
    attention: Vec<Attention>,
    figures: Vec<Figure>,
    first_steps: bool,
    steps: Vec<Step>,
    transfers: Vec<TransferRow>,
    actors: Vec<ActorRow>,
    facts: Vec<(&'static str, String)>,
}

/// Something to look at, and where or how.
struct Attention {
    text: String,
    link: String,
    action: String,
}

struct Figure {
    label: &'static str,
    value: String,
    note: String,
    link: &'static str,
}

struct Step {
    text: &'static str,
    command: &'static str,
    done: bool,
}

struct TransferRow {
    dataset: String,
    link: String,
    version: String,
    state: String,
    tone: &'static str,
    percent: u64,
    bytes: String,
    chunks: String,
    from: String,
    error: String,
}

struct ActorRow {
    rank: u32,
    name: String,
    state: String,
    tone: &'static str,
    incarnation: u64,
    restarts: u64,
    mailbox: String,
    failure: String,
    failed: When,
}

async fn show(visitor: Visitor) -> Result<HttpResponse, PageError> {
    let client = &visitor.client;
    let (mut health_stub, mut node_stub, mut list_stub) = (client.health(), client.nodes(), client.nodes());
    let (health, this, nodes) = futures::try_join!(
        health_stub.get_health(GetHealthRequest {}),
        node_stub.get_self(GetSelfRequest {}),
        list_stub.list_nodes(ListNodesRequest::default()),
    )?;
    let (health, this, nodes) = (health.into_inner(), this.into_inner(), nodes.into_inner().nodes);
    let shell = visitor.shell("Home", "home").live_on(&["health", "transfers", "topics", "datasets", "peers"]);
    Ok(page(&home_page(shell.same_as("bib status"), &health, this, &nodes)))
}

fn home_page(shell: Shell, health: &GetHealthResponse, this: GetSelfResponse, nodes: &[Node]) -> HomePage {
    let own = this.node.clone().unwrap_or_default();
    let steps = steps(&this, nodes);
    HomePage {
        shell,
        mode: own.mode.clone(),
        storage: storage(&own, &this),
        sentence: sentence(&own.name, health),
        attention: attention(health, &this, nodes),
        figures: figures(&this, nodes),
        first_steps: steps.iter().any(|step| !step.done) && this.versions == 0,
        steps,
        transfers: this.transfers.iter().map(|transfer| transfer_row(transfer, nodes)).collect(),
        actors: health.actors.iter().map(actor_row).collect(),
        facts: facts(own, this),
    }
}

fn storage(own: &Node, this: &GetSelfResponse) -> String {
    match own.storage.as_str() {
        "postgres" => "PostgreSQL of its own".to_owned(),
        "sqlite" if own.mode == "proxy" => "SQLite, for who it is and whom it knows".to_owned(),
        "sqlite" => "SQLite, a cache that serves nobody".to_owned(),
        _ => this.database_runtime.clone(),
    }
}

/// The state of the node in one sentence; never a colour alone.
fn sentence(name: &str, health: &GetHealthResponse) -> String {
    let away: Vec<&str> =
        health.actors.iter().filter(|actor| actor.state != "running").map(|actor| actor.name.as_str()).collect();
    match away.as_slice() {
        [] if health.ready => format!("{name} serves. All {} of its actors run.", health.actors.len()),
        [] => format!("{name} starts."),
        [one] => format!("{name} is not whole: its {one} does not run."),
        more => format!("{name} is not whole: {} do not run.", more.join(", ")),
    }
}

fn attention(health: &GetHealthResponse, this: &GetSelfResponse, nodes: &[Node]) -> Vec<Attention> {
    let plain = |text: String| Attention { text, link: String::new(), action: String::new() };
    let mut items: Vec<Attention> = health.warnings.iter().cloned().map(plain).collect();
    for actor in health.actors.iter().filter(|actor| actor.restarts > 2) {
        items.push(Attention {
            text: format!("{} was restarted {}.", actor.name, counted(actor.restarts, "time")),
            link: String::new(),
            action: "bib doctor".to_owned(),
        });
    }
    for node in nodes.iter().filter(|node| !node.blamed.is_empty()) {
        items.push(Attention {
            text: format!("{} is blamed: {}.", name_of(node), node.blamed),
            link: format!("/nodes/{}", node.id),
            action: "see the node".to_owned(),
        });
    }
    for transfer in this.transfers.iter().filter(|transfer| !transfer.error.is_empty()) {
        items.push(plain(format!("{} has not arrived: {}.", transfer.dataset, transfer.error)));
    }
    items
}

fn name_of(node: &Node) -> String {
    if node.name.is_empty() { short(&node.id) } else { node.name.clone() }
}

fn figures(this: &GetSelfResponse, nodes: &[Node]) -> Vec<Figure> {
    let paired = nodes.iter().filter(|node| node.paired).count() as u64;
    let connected = nodes.iter().filter(|node| node.connected).count() as u64;
    let proxy = this.node.as_ref().is_some_and(|own| own.mode == "proxy");
    let kept = if proxy { "In memory" } else { "Store" };
    let figure = |label, value, note, link| Figure { label, value, note, link };
    vec![
        figure("Topics", count(this.topics), String::new(), "/topics"),
        if proxy {
            figure("Datasets", "remote".to_owned(), "read from others".to_owned(), "/datasets")
        } else {
            figure("Datasets", count(this.datasets), counted(this.versions, "version"), "/datasets")
        },
        figure(kept, bytes(this.store_bytes), counted(this.store_chunks, "chunk"), ""),
        figure("Nodes", count(paired), format!("{} connected", count(connected)), "/nodes"),
    ]
}

fn steps(this: &GetSelfResponse, nodes: &[Node]) -> Vec<Step> {
    let joined = nodes.iter().any(|node| node.paired);
    if this.node.as_ref().is_some_and(|own| own.mode == "proxy") {
        return vec![Step {
            text: "Join a node that has data: bib invite prints a ticket there.",
            command: "bib join TICKET",
            done: joined,
        }];
    }
    vec![
        Step {
            text: "Make a topic: datasets are collected in topics.",
            command: "bib topic create weather",
            done: this.topics > 0,
        },
        Step {
            text: "Put a file or a folder in.",
            command: "bib dataset upload stations.csv --topic weather --name stations",
            done: this.datasets > 0,
        },
        Step {
            text: "Pair with another machine: it joins with the ticket that this prints.",
            command: "bib invite",
            done: joined,
        },
    ]
}

fn transfer_row(transfer: &Transfer, nodes: &[Node]) -> TransferRow {
    let name = |id: &String| nodes.iter().find(|node| node.id == *id).map_or_else(|| short(id), name_of);
    TransferRow {
        link: format!("/datasets/{}", transfer.dataset),
        dataset: transfer.dataset.clone(),
        version: short(&transfer.version),
        tone: match transfer.state.as_str() {
            "done" => "ok",
            "failed" => "bad",
            "running" => "busy",
            _ => "idle",
        },
        state: transfer.state.clone(),
        percent: percent(transfer.bytes_done, transfer.bytes_total),
        bytes: format!("{} of {}", bytes(transfer.bytes_done), bytes(transfer.bytes_total)),
        chunks: format!("{} of {}", count(transfer.chunks_done), count(transfer.chunks_total)),
        from: transfer.peers.iter().map(name).collect::<Vec<_>>().join(", "),
        error: transfer.error.clone(),
    }
}

fn actor_row(actor: &ActorHealth) -> ActorRow {
    ActorRow {
        rank: actor.rank,
        name: actor.name.clone(),
        tone: match actor.state.as_str() {
            "running" => "ok",
            "starting" | "restarting" => "warn",
            _ => "bad",
        },
        state: actor.state.clone(),
        incarnation: actor.incarnation,
        restarts: actor.restarts,
        mailbox: format!("{} / {}", count(actor.mailbox_used.into()), count(actor.mailbox_capacity.into())),
        failure: actor.last_failure.clone(),
        failed: When::new(actor.last_failure_ms),
    }
}

fn facts(own: Node, this: GetSelfResponse) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("Node id", own.id),
        ("TLS fingerprint", format!("sha256:{}", this.tls_fingerprint)),
        ("Version", this.version),
        ("Up for", lasting(now_ms() - this.started_ms)),
        ("Data folder", this.data_dir),
    ];
    facts.extend(own.addresses.into_iter().map(|address| ("Address", address)));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn shown(health: &GetHealthResponse, this: GetSelfResponse, nodes: &[Node]) -> String {
        let shell = Shell::new(&TestRequest::default().to_http_request(), "Home".to_owned(), "home");
        home_page(shell, health, this, nodes).render().unwrap()
    }

    #[test]
    fn a_transfer_shows_how_far_it_is_and_whom_it_comes_from() {
        let transfer = |state: &str, bytes_done, error: &str| Transfer {
            dataset: "weather/all".to_owned(),
            version: format!("sha256:{state}"),
            state: state.to_owned(),
            bytes_done,
            bytes_total: 4096,
            chunks_done: 1,
            chunks_total: 2,
            peers: vec!["12D3KooWother".to_owned(), "12D3KooWstranger".to_owned()],
            error: error.to_owned(),
            ..Transfer::default()
        };
        let other = Node { id: "12D3KooWother".to_owned(), name: "lab-b".to_owned(), ..Node::default() };
        let transfers = vec![transfer("running", 2048, ""), transfer("failed", 1024, "no node has it")];
        let this = GetSelfResponse { transfers, ..GetSelfResponse::default() };
        let page = shown(&GetHealthResponse::default(), this, &[other]);
        let bar = "<progress max=\"100\" value=\"50\" aria-label=\"weather/all\">50 %</progress>";
        assert!(page.contains(bar) && page.contains("2.0 KiB of 4.0 KiB") && page.contains("1 of 2"), "{page}");
        assert!(page.contains("<span class=\"state busy\">running</span>"), "{page}");
        assert!(page.contains("lab-b, …stranger") && page.contains("<a href=\"/datasets/weather/all\">"), "{page}");
        let attention = page.split("Needs attention").nth(1).unwrap().split("</section>").next().unwrap();
        assert!(attention.contains("weather/all has not arrived: no node has it."), "{attention}");
        let none = shown(&GetHealthResponse::default(), GetSelfResponse::default(), &[]);
        assert!(none.contains("Nothing is on its way.") && !none.contains("Needs attention"), "{none}");
    }

    #[test]
    fn first_steps_are_shown_until_there_is_data() {
        let this = |topics, versions| GetSelfResponse { topics, datasets: versions, versions, ..Default::default() };
        let empty = shown(&GetHealthResponse::default(), this(0, 0), &[]);
        assert!(empty.contains("First steps") && empty.contains("bib topic create weather"), "{empty}");
        let begun = shown(&GetHealthResponse::default(), this(1, 0), &[]);
        assert!(begun.contains("<li class=\"is-done\">") && !begun.contains("bib topic create"), "{begun}");
        assert!(begun.contains("bib dataset upload stations.csv"), "{begun}");
        assert!(!shown(&GetHealthResponse::default(), this(1, 1), &[]).contains("First steps"));
    }
}
