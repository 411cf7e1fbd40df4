//! Joining with a ticket: dial who made it, show the secret, remember the peer.

use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::frame::{read_frame, write_frame};
use crate::shared::Shared;
use crate::wire;
use bib_domain::ticket::Ticket;
use bib_domain::{NodeId, OpContext};
use bib_guardian::PeerRow;
use bib_kit::clock;
use bib_proto::v1::{PairRequest, PairResponse};
use bib_swarm::protocols;
use futures::{AsyncWriteExt, StreamExt};

/// Addresses that are dialed at the same time.
const AT_ONCE: usize = 4;

/// Pairs this node with the one that made the ticket.
pub(crate) async fn join(shared: &Shared, op: &OpContext, text: &str, base: bool) -> Result<PeerRow, ReplicatorError> {
    let ticket: Ticket = text.parse()?;
    let node = ticket.node();
    if *node == shared.options.node_id {
        return Err(ReplicatorError::OwnTicket);
    }
    let late_ms = clock::deadline_ms().saturating_sub(ticket.expires_ms());
    if late_ms > 0 {
        return Err(ReplicatorError::TicketExpired { ago_s: late_ms.unsigned_abs() / 1000 });
    }
    reach(shared, &ticket).await?;
    let response = show_secret(shared, &ticket).await?;
    if !response.accepted {
        return Err(ReplicatorError::PairingRefused { node: node.clone(), reason: wire::cut(&response.reason) });
    }
    let row = shared.update_peer(op, node, |row| {
        row.addresses = ticket.addresses().to_vec();
        if let Some(info) = &response.me {
            wire::apply_info(row, info);
        }
        row.base = base;
        row.blamed.clear();
        row.last_seen_ms = clock::unix_ms();
        true
    });
    let row = row.await?;
    tracing::info!(peer = %node, name = row.name, base, "paired");
    shared.note(Note::Paired(node.clone())).await;
    Ok(row)
}

/// Makes a connection with the node of the ticket, at whichever of its addresses answers first. Who answers must prove
/// to be that node.
async fn reach(shared: &Shared, ticket: &Ticket) -> Result<(), ReplicatorError> {
    let node = ticket.node();
    let connected = shared.swarm.peers().await?;
    if connected.iter().any(|peer| peer.node_id == *node) {
        return Ok(());
    }
    let dials = ticket.addresses().iter().map(|address| async move {
        let dialed = shared.swarm.dial(&format!("{address}/p2p/{node}")).await;
        dialed.map_err(|error| format!("{address}: {error}"))
    });
    let mut dials = futures::stream::iter(dials).buffer_unordered(AT_ONCE);
    let mut reasons = Vec::new();
    while let Some(dialed) = dials.next().await {
        match dialed {
            Ok(found) => return check_found(node, &found),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        reasons.push("the ticket has no addresses".to_owned());
    }
    Err(ReplicatorError::Unreachable { node: node.clone(), reasons: reasons.join("; ") })
}

fn check_found(expected: &NodeId, found: &NodeId) -> Result<(), ReplicatorError> {
    if found == expected {
        return Ok(());
    }
    let reasons = format!("node {found} answers there");
    Err(ReplicatorError::Unreachable { node: expected.clone(), reasons })
}

async fn show_secret(shared: &Shared, ticket: &Ticket) -> Result<PairResponse, ReplicatorError> {
    let node = ticket.node();
    let (limit, deadline) = (shared.options.frame_bytes, shared.options.answer_deadline);
    let broke = |source| ReplicatorError::Exchange { peer: node.clone(), source };
    let mut stream = shared.swarm.open_stream(node, protocols::PAIR).await?;
    let request = PairRequest { secret: ticket.secret().to_vec(), me: Some(shared.me().await) };
    write_frame(&mut stream, &request, deadline).await.map_err(broke)?;
    let response = read_frame(&mut stream, limit, deadline).await.map_err(broke)?;
    let _ = stream.close().await;
    response.ok_or_else(|| broke(crate::frame::FrameError::Closed))
}
