//! Serving `/bib/sync/1.0.0`: the catalogue of whole versions, their signed manifests, and what peers announce.
//!
//! A node on untrusted storage answers everything but greetings and announcements with a refusal.

use super::{list, manifest};
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::frame::{FrameError, encode_frame, read_frame, write_parts};
use crate::shared::Shared;
use crate::wire::{self, BUSY, NOT_FOUND, NOT_PAIRED, NOT_SERVING};
use bib_domain::NodeId;
use bib_proto::v1::{
    AnnounceResponse, CatalogRequest, CatalogResponse, FindRequest, FindResponse, Hello, SyncRequest, SyncResponse,
    sync_request::Request, sync_response::Response,
};
use futures::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use prost::Message;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What stands around a page in its frame, rounded up.
pub(super) const WRAPPING: usize = 64;

/// What is answered.
enum Answer {
    Message(SyncResponse),
    Manifest(manifest::Outgoing),
}

impl From<SyncResponse> for Answer {
    fn from(response: SyncResponse) -> Self {
        Self::Message(response)
    }
}

/// Serves one catalogue stream until the peer closes it or is silent for too long.
pub(crate) async fn serve(
    shared: &Shared,
    peer: &NodeId,
    share: &Arc<Semaphore>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
) {
    let (options, patience) = (&shared.options, shared.options.answer_patience());
    let served = async {
        while let Some(request) = read_frame(&mut stream, options.frame_bytes, options.idle_stream).await? {
            match answer(shared, peer, share, request).await {
                Answer::Message(response) => write_parts(&mut stream, &[&encode_frame(&response)], patience).await?,
                Answer::Manifest(outgoing) => outgoing.write(&mut stream, patience).await?,
            }
        }
        Ok::<_, FrameError>(())
    };
    if let Err(error) = served.await {
        tracing::debug!(%peer, %error, "a catalogue stream broke");
    }
    let _ = stream.close().await;
}

async fn answer(shared: &Shared, peer: &NodeId, share: &Arc<Semaphore>, request: SyncRequest) -> Answer {
    // asked anew for each request: a peer may be blamed or removed while its stream is open
    if !shared.may_talk(peer) {
        return wire::sync_error(
            NOT_PAIRED,
            "this node is not paired with you: run \"bib invite\" there and \"bib join\" here",
        )
        .into();
    }
    let answered = match request.request {
        Some(Request::Hello(_)) => Ok(Response::Hello(Hello { me: Some(shared.me().await) })),
        Some(Request::Announce(_)) => {
            shared.answers.forget();
            shared.note(Note::Heard(peer.clone())).await;
            Ok(Response::Announce(AnnounceResponse {}))
        }
        Some(
            Request::Catalog(_)
            | Request::Manifest(_)
            | Request::Find(_)
            | Request::Topics(_)
            | Request::Datasets(_)
            | Request::Versions(_),
        ) if !shared.serves() => {
            return wire::sync_error(
                NOT_SERVING,
                "this node keeps its copies in SQLite for itself (untrusted-storage) and serves nobody: ask a node on PostgreSQL",
            )
            .into();
        }
        Some(Request::Catalog(request)) => catalog(shared, request).await.map(Response::Catalog),
        Some(Request::Topics(request)) => return list::topics(shared, peer, request).await.into(),
        Some(Request::Datasets(request)) => return list::datasets(shared, peer, request).await.into(),
        Some(Request::Versions(request)) => return list::versions(shared, peer, request).await.into(),
        Some(Request::Find(request)) => return find(shared, peer, request).await.into(),
        Some(Request::Manifest(request)) => {
            return manifest::load(shared, peer, share, request).await.map_or_else(Answer::Message, Answer::Manifest);
        }
        None => {
            return wire::sync_error(NOT_FOUND, "this node does not know that request: it may be older than yours")
                .into();
        }
    };
    match answered {
        Ok(response) => wire::respond(response).into(),
        Err(error) => busy(peer, &error).into(),
    }
}

pub(super) fn busy(peer: &NodeId, error: &ReplicatorError) -> SyncResponse {
    tracing::warn!(%peer, %error, "could not answer a peer");
    wire::sync_error(BUSY, "this node cannot look that up now: ask again in a moment")
}

/// A page that fits a frame: long descriptions make it shorter.
async fn catalog(shared: &Shared, request: CatalogRequest) -> Result<CatalogResponse, ReplicatorError> {
    let mut limit = request.page_size.clamp(1, shared.options.catalog_page);
    loop {
        let page = shared.guardian.catalog_page(request.after, limit).await?;
        let response = CatalogResponse {
            topics: page.topics.iter().map(wire::peer_topic).collect(),
            versions: page.versions.iter().filter(|version| version.complete).map(wire::peer_version).collect(),
            next: page.next,
            more: page.more,
        };
        if limit == 1 || response.encoded_len() + WRAPPING <= shared.options.frame_bytes {
            return Ok(response);
        }
        limit /= 2;
    }
}

/// A version that the catalogue would show the peer, too.
async fn find(shared: &Shared, peer: &NodeId, request: FindRequest) -> SyncResponse {
    let Ok(dataset) = request.dataset.parse() else {
        return wire::sync_error(NOT_FOUND, "that is not the name of a dataset");
    };
    match shared.guardian.find_version(&dataset, &request.version).await {
        Ok(row) if row.complete => wire::respond(Response::Find(FindResponse {
            version: Some(wire::peer_version(&row)),
            number: row.number,
            created_ms: row.created_ms,
        })),
        Ok(_) => wire::sync_error(NOT_FOUND, format!("{dataset} is not whole on this node")),
        Err(error) if error.is_refusal() => wire::sync_error(NOT_FOUND, error.to_string()),
        Err(error) => busy(peer, &error.into()),
    }
}
