//! Nodes: those that this one knows, one of them, connecting, pairing.

use super::back;
use super::sure::{Ask, Sure};
use crate::error::{Notice, PageError, status_of};
use crate::format::{When, part, round_trip, short};
use crate::list::{Form, answer};
use crate::session::Visitor;
use crate::shell::{Shell, page, page_with, see};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use bib_proto::client::ClientError;
use bib_proto::v1::{
    ConnectNodeRequest, CreateInviteRequest, DisconnectNodeRequest, ForgetNodeRequest, GetNodeRequest, JoinRequest,
    ListNodesRequest, Node,
};
use serde::{Deserialize, Serialize};

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/nodes", web::get().to(list))
        .route("/nodes.json", web::get().to(list))
        .route("/nodes.csv", web::get().to(list))
        .route("/nodes/connect", web::post().to(connect))
        .route("/nodes/connect", web::get().to(back))
        .route("/nodes/invite", web::post().to(invite))
        .route("/nodes/invite", web::get().to(back))
        .route("/nodes/join", web::post().to(join))
        .route("/nodes/join", web::get().to(back))
        .route("/nodes/{id}", web::get().to(show))
        .route("/nodes/{id}/disconnect", web::post().to(disconnect))
        .route("/nodes/{id}/disconnect", web::get().to(back))
        .route("/nodes/{id}/forget", web::post().to(forget))
        .route("/nodes/{id}/forget", web::get().to(back));
}

/// A node for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    id: String,
    name: String,
    mode: String,
    storage: String,
    paired: bool,
    connected: bool,
    transport: String,
    rtt_us: u64,
    last_seen_ms: i64,
    base: bool,
    blamed: String,
}

/// A node as the pages show it.
struct Row {
    id: String,
    short: String,
    name: String,
    /// What is typed to mean it: its name, or what can be typed of the short id.
    typed: String,
    link: String,
    mode: String,
    storage: String,
    paired: bool,
    connected: bool,
    transport: String,
    rtt: String,
    seen: When,
    base: bool,
    blamed: String,
    addresses: Vec<String>,
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage {
    shell: Shell,
    nodes: Vec<Row>,
    operates: bool,
    ticket: String,
    ticket_end: When,
    address: String,
    joined: String,
}

#[derive(Template)]
#[template(path = "node.html")]
struct NodePage {
    shell: Shell,
    node: Row,
    operates: bool,
    asks: Option<Deed>,
}

/// What is done to a node after a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Disconnect,
    Forget,
}

async fn list(visitor: Visitor) -> Result<HttpResponse, PageError> {
    let form = Form::of(visitor.request().path());
    if form == Form::Page {
        return Ok(page(&nodes_page(&visitor, None).await?));
    }
    let found = visitor.client.nodes().list_nodes(ListNodesRequest::default()).await?.into_inner();
    let records: Vec<Record> = found.nodes.into_iter().map(record).collect();
    Ok(answer(form, &records, None))
}

async fn nodes_page(visitor: &Visitor, failed: Option<&ClientError>) -> Result<NodesPage, PageError> {
    let found = visitor.client.nodes().list_nodes(ListNodesRequest::default()).await?.into_inner();
    let mut shell = visitor.shell("Nodes", "nodes").live_on(&["peers"]).same_as("bib node list");
    shell.here = "/nodes".to_owned();
    Ok(NodesPage {
        shell: shell.with_alert(failed.map(Notice::from)),
        nodes: found.nodes.into_iter().map(row).collect(),
        operates: visitor.operates(),
        ticket: String::new(),
        ticket_end: When::default(),
        address: String::new(),
        joined: String::new(),
    })
}

#[derive(Deserialize)]
struct Address {
    #[serde(default)]
    address: String,
}

async fn connect(visitor: Visitor, typed: web::Form<Address>) -> Result<HttpResponse, PageError> {
    let address = typed.address.trim().to_owned();
    match visitor.client.nodes().connect_node(ConnectNodeRequest { address: address.clone() }).await {
        Ok(_) => Ok(see("/nodes?done=connected")),
        Err(status) => {
            let error = status.into();
            let again = NodesPage { address, ..nodes_page(&visitor, Some(&error)).await? };
            Ok(page_with(status_of(&error), &again))
        }
    }
}

/// Makes a ticket. It is shown in this answer and nowhere else: it holds a secret.
async fn invite(visitor: Visitor) -> Result<HttpResponse, PageError> {
    match visitor.client.nodes().create_invite(CreateInviteRequest::default()).await {
        Ok(made) => {
            let made = made.into_inner();
            let ticket_end = When::new(made.expires_ms);
            Ok(page(&NodesPage { ticket: made.ticket, ticket_end, ..nodes_page(&visitor, None).await? }))
        }
        Err(status) => {
            let error = status.into();
            Ok(page_with(status_of(&error), &nodes_page(&visitor, Some(&error)).await?))
        }
    }
}

#[derive(Deserialize)]
struct Ticket {
    #[serde(default)]
    ticket: String,
    #[serde(default)]
    base: String,
}

async fn join(visitor: Visitor, typed: web::Form<Ticket>) -> Result<HttpResponse, PageError> {
    let ticket = typed.ticket.trim().to_owned();
    let request = JoinRequest { ticket: ticket.clone(), base: typed.base == "yes", ..Default::default() };
    match visitor.client.nodes().join(request).await {
        Ok(_) => Ok(see("/nodes?done=joined")),
        Err(status) => {
            let error = status.into();
            let again = NodesPage { joined: ticket, ..nodes_page(&visitor, Some(&error)).await? };
            Ok(page_with(status_of(&error), &again))
        }
    }
}

async fn show(visitor: Visitor, path: web::Path<String>, query: web::Query<Ask>) -> Result<HttpResponse, PageError> {
    let deeds = [("disconnect", Deed::Disconnect), ("forget", Deed::Forget)];
    let asks = deeds.into_iter().find(|(word, _)| query.is(word)).map(|(_, deed)| deed);
    Ok(page(&node_page(&visitor, &path, asks).await?))
}

async fn node_page(visitor: &Visitor, id: &str, asks: Option<Deed>) -> Result<NodePage, PageError> {
    let found = visitor.client.nodes().get_node(GetNodeRequest { id: id.to_owned() }).await?.into_inner();
    let node = row(found.node.unwrap_or_default());
    let mut shell =
        visitor.shell(node.name.clone(), "nodes").live_on(&["peers"]).same_as(format!("bib node info {}", node.id));
    shell.here.clone_from(&node.link);
    Ok(NodePage { shell, node, operates: visitor.operates(), asks })
}

async fn disconnect(
    visitor: Visitor,
    path: web::Path<String>,
    sure: web::Form<Sure>,
) -> Result<HttpResponse, PageError> {
    done_to(&visitor, &path, &sure, Deed::Disconnect).await
}

async fn forget(visitor: Visitor, path: web::Path<String>, sure: web::Form<Sure>) -> Result<HttpResponse, PageError> {
    done_to(&visitor, &path, &sure, Deed::Forget).await
}

/// Does it, if what was typed means this node.
async fn done_to(visitor: &Visitor, path: &str, sure: &Sure, deed: Deed) -> Result<HttpResponse, PageError> {
    let mut shown = node_page(visitor, path, Some(deed)).await?;
    if let Some(notice) = sure.check(&shown.node.typed, "node") {
        shown.shell = shown.shell.with_alert(Some(notice));
        return Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &shown));
    }
    let (id, mut nodes) = (shown.node.id.clone(), visitor.client.nodes());
    let done = match deed {
        Deed::Disconnect => nodes.disconnect_node(DisconnectNodeRequest { id }).await.map(|_| "disconnected"),
        Deed::Forget => {
            let request = ForgetNodeRequest { id, request_id: String::new() };
            nodes.forget_node(request).await.map(|_| "forgotten")
        }
    };
    match done {
        // not to its own page: one that is not paired is not known any more
        Ok(done) => Ok(see(&format!("/nodes?done={done}"))),
        Err(status) => {
            let error: ClientError = status.into();
            shown.shell = shown.shell.with_alert(Some(Notice::from(&error)));
            shown.asks = None;
            Ok(page_with(status_of(&error), &shown))
        }
    }
}

fn record(node: Node) -> Record {
    Record {
        id: node.id,
        name: node.name,
        mode: node.mode,
        storage: node.storage,
        paired: node.paired,
        connected: node.connected,
        transport: node.transport,
        rtt_us: node.rtt_us,
        last_seen_ms: node.last_seen_ms,
        base: node.base,
        blamed: node.blamed,
    }
}

fn row(node: Node) -> Row {
    let short = short(&node.id);
    let typed = if node.name.is_empty() { short.trim_start_matches('…') } else { node.name.as_str() };
    Row {
        link: format!("/nodes/{}", part(&node.id)),
        typed: typed.to_owned(),
        name: if node.name.is_empty() { short.clone() } else { node.name },
        short,
        id: node.id,
        mode: node.mode,
        storage: node.storage,
        paired: node.paired,
        connected: node.connected,
        transport: node.transport,
        rtt: round_trip(node.rtt_us),
        seen: When::new(node.last_seen_ms),
        base: node.base,
        blamed: node.blamed,
        addresses: node.addresses,
    }
}
