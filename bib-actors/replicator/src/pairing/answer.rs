//! Answering who shows a ticket's secret. The other node has proved its id already; here it proves that it was invited.

use super::{Admission, secret_hash};
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::frame::{FrameError, read_frame, write_frame};
use crate::shared::Shared;
use crate::wire;
use bib_audit::{AuditDraft, Outcome};
use bib_domain::{NodeId, OpContext, Who};
use bib_guardian::{GuardianError, InviteError};
use bib_kit::clock;
use bib_proto::v1::{PairRequest, PairResponse};
use futures::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

/// Strangers are not waited for long.
const PATIENCE: Duration = Duration::from_secs(10);
/// A request is a secret and a few addresses.
const REQUEST_BYTES: usize = 16 * 1024;
const TOO_MANY: &str = "too many tickets were tried: wait a minute and try again";

/// Serves one pairing stream.
pub(crate) async fn serve(shared: &Shared, peer: &NodeId, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let answered = async {
        let request = read_frame(&mut stream, REQUEST_BYTES, PATIENCE).await?.ok_or(FrameError::Closed)?;
        let response = decide(shared, peer, request).await;
        write_frame(&mut stream, &response, PATIENCE).await?;
        Ok::<_, FrameError>(response.accepted)
    };
    let answered = answered.await;
    let _ = stream.close().await;
    match answered {
        Ok(true) => shared.note(Note::Paired(peer.clone())).await,
        Ok(false) => {}
        Err(error) => tracing::debug!(%peer, %error, "a pairing stream broke"),
    }
}

async fn decide(shared: &Shared, peer: &NodeId, request: PairRequest) -> PairResponse {
    let op = shared.op(Who::Peer(peer.clone()));
    let now_ms = clock::deadline_ms();
    let host = host_of(shared, peer).await;
    let attempts = || shared.attempts.lock().unwrap_or_else(PoisonError::into_inner);
    let admission = attempts().admit(peer, host, clock::uptime_ms());
    match admission {
        Admission::Admitted => {}
        Admission::TurnedAway { before } => {
            tracing::warn!(%peer, before, "too many tickets are tried: more of this minute are not written down");
            return refuse(shared, &op, peer, TOO_MANY).await;
        }
        Admission::Ignored => {
            return PairResponse { accepted: false, reason: TOO_MANY.to_owned(), me: None };
        }
    }
    match shared.guardian.redeem_invite(&op, secret_hash(&request.secret), peer, now_ms).await {
        Ok(()) => {}
        // its answer was lost, and it asks again: nothing is gained that it does not have
        Err(GuardianError::Invite(InviteError::Used)) if shared.may_talk(peer) => {}
        Err(GuardianError::Invite(reason)) => return refuse(shared, &op, peer, &reason.to_string()).await,
        Err(error) => return failed(peer, &error.into()),
    }
    let info = request.me.unwrap_or_default();
    let remembered = shared.update_peer(&op, peer, |row| {
        wire::apply_info(row, &info);
        row.blamed.clear();
        row.last_seen_ms = clock::unix_ms();
        true
    });
    match remembered.await {
        Ok(row) => {
            tracing::info!(%peer, name = row.name, "paired by ticket");
            PairResponse { accepted: true, reason: String::new(), me: Some(shared.me().await) }
        }
        Err(error) => failed(peer, &error),
    }
}

/// Where the node connects from; `None` if it is gone already.
async fn host_of(shared: &Shared, peer: &NodeId) -> Option<IpAddr> {
    let connected = shared.swarm.peers().await.ok()?;
    let row = connected.into_iter().find(|row| row.node_id == *peer)?;
    row.address.split('/').nth(2)?.parse().ok()
}

async fn refuse(shared: &Shared, op: &OpContext, peer: &NodeId, reason: &str) -> PairResponse {
    tracing::warn!(%peer, reason, "refused to pair");
    let draft = AuditDraft::from_op(op, "peer.pair", peer.to_string()).outcome(Outcome::Refused);
    if let Err(error) = shared.audit.append(draft.metadata("reason", reason)).await {
        tracing::warn!(%peer, %error, "a refused pairing was not recorded in the audit log");
    }
    PairResponse { accepted: false, reason: reason.to_owned(), me: None }
}

/// What failed here is told in the log, not to strangers.
fn failed(peer: &NodeId, error: &ReplicatorError) -> PairResponse {
    tracing::error!(%peer, %error, "could not pair");
    let reason = "it could not write that down: look at its log, then make a new ticket there and join again";
    PairResponse { accepted: false, reason: reason.to_owned(), me: None }
}
