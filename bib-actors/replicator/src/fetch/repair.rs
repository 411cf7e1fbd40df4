//! Good copies of chunks that are damaged here, from whichever peers have them. One whose bytes were uploaded or fetched
//! again meanwhile needs none.
//!
//! A chunk's name is proof enough of its bytes, so no manifest is needed. Chunks are asked for in groups, and a group is
//! synced together; one chunk is in memory at a time.

use crate::error::ReplicatorError;
use crate::frame::{FrameError, read_frame, write_frame};
use crate::shared::Shared;
use crate::wire::ChunkStatus;
use bib_audit::AuditDraft;
use bib_chunks::{Batch, ChunkError};
use bib_domain::{ChunkHash, NodeId, Who};
use bib_proto::v1::{ChunkHeader, ChunkRequest};
use bib_swarm::{Stream, protocols};
use futures::io::{AsyncReadExt, AsyncWriteExt};
use std::collections::HashSet;

/// Chunks in one request, one sync and one stretch of the audit log.
const GROUP: usize = 32;

/// What came of a repair.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    /// The chunks of which there is a good copy now.
    pub(crate) good: Vec<ChunkHash>,
    /// Who sent bytes that are not the chunk, and what it did. The repair ended there.
    pub(crate) lie: Option<(NodeId, String)>,
}

/// Fetches chunks from those of `peers` that have them, one peer after the other.
pub(crate) async fn repair(shared: &Shared, hashes: &[ChunkHash], peers: &[NodeId]) -> Mended {
    let mut mended = Mended { good: good_here(shared, hashes).await, lie: None };
    for hash in &mended.good {
        record(shared, &shared.options.node_id, *hash).await;
    }
    let here: HashSet<ChunkHash> = mended.good.iter().copied().collect();
    let mut open: Vec<ChunkHash> = hashes.iter().copied().filter(|hash| !here.contains(hash)).collect();
    for peer in peers {
        if open.is_empty() {
            break;
        }
        let done = from_peer(shared, peer, &open, &mut mended.good).await;
        let good: HashSet<&ChunkHash> = mended.good.iter().collect();
        open.retain(|hash| !good.contains(hash));
        if let Err(error) = done {
            if let Some((liar, detail)) = error.lie() {
                mended.lie = Some((liar.clone(), detail.to_owned()));
                break;
            }
            tracing::info!(%error, %peer, chunks = open.len(), "a peer gave no more good copies of damaged chunks");
        }
    }
    mended
}

/// The chunks of which there is a good copy by now.
async fn good_here(shared: &Shared, hashes: &[ChunkHash]) -> Vec<ChunkHash> {
    let (store, hashes) = (shared.chunks.clone(), hashes.to_vec());
    let look = move || hashes.into_iter().filter(|hash| store.is_good(hash)).collect();
    shared.blocking.run(look).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "damaged chunks were not looked at again");
        Vec::new()
    })
}

async fn from_peer(
    shared: &Shared,
    peer: &NodeId,
    hashes: &[ChunkHash],
    good: &mut Vec<ChunkHash>,
) -> Result<(), ReplicatorError> {
    let deadline = shared.options.answer_deadline;
    let mut stream = shared.swarm.open_stream(peer, protocols::DATA).await?;
    for group in hashes.chunks(GROUP.min(shared.options.request_chunks.max(1))) {
        let request = ChunkRequest { hashes: group.iter().map(|hash| hash.as_bytes().to_vec()).collect() };
        write_frame(&mut stream, &request, deadline)
            .await
            .map_err(|source| ReplicatorError::Exchange { peer: peer.clone(), source })?;
        let (mut batch, mut got, mut end) = (shared.chunks.batch(), Vec::new(), Ok(()));
        for hash in group {
            match one(shared, peer, &mut stream, *hash).await {
                Ok(None) => {}
                Ok(Some(bytes)) => {
                    let (back, kept) = put(shared, batch, *hash, bytes).await?;
                    batch = back;
                    match kept {
                        Ok(()) => got.push(*hash),
                        Err(error) => end = Err(refused(peer, *hash, error)),
                    }
                }
                Err(error) => end = Err(error),
            }
            if end.is_err() {
                break;
            }
        }
        // what came before a fault is good
        shared.blocking.run(move || batch.commit()).await??;
        for hash in &got {
            record(shared, peer, *hash).await;
        }
        good.extend(got);
        end?;
    }
    let _ = stream.close().await;
    Ok(())
}

/// Reads the answer for one chunk; `None` if the peer does not have it.
async fn one(
    shared: &Shared,
    peer: &NodeId,
    stream: &mut Stream,
    hash: ChunkHash,
) -> Result<Option<Vec<u8>>, ReplicatorError> {
    let deadline = shared.options.answer_deadline;
    let broke = |source| ReplicatorError::Exchange { peer: peer.clone(), source };
    let header: Option<ChunkHeader> = read_frame(stream, shared.options.frame_bytes, deadline).await.map_err(broke)?;
    let header = header.ok_or_else(|| broke(FrameError::Closed))?;
    let max = u64::from(shared.chunks.options().max_chunk_bytes);
    let malformed = |detail: &str| broke(FrameError::Malformed { detail: detail.to_owned() });
    if header.hash != hash.as_bytes() {
        return Err(malformed("a header is about another chunk than was asked for"));
    }
    let size = match ChunkStatus::of(header.status) {
        Some(ChunkStatus::Here) if (1..=max).contains(&header.size) => usize::try_from(header.size).unwrap_or(0),
        Some(ChunkStatus::Here) => return Err(malformed("a header tells a size that no chunk has")),
        _ => return Ok(None),
    };
    let mut bytes = vec![0; size];
    let read = tokio::time::timeout(deadline, stream.read_exact(&mut bytes)).await;
    read.map_err(|_| broke(FrameError::Timeout { after: deadline }))?.map_err(|error| broke(error.into()))?;
    Ok(Some(bytes))
}

async fn put(
    shared: &Shared,
    mut batch: Batch,
    hash: ChunkHash,
    bytes: Vec<u8>,
) -> Result<(Batch, Result<(), ChunkError>), ReplicatorError> {
    let put = move || {
        let kept = batch.put(hash, &bytes).map(|_| ());
        (batch, kept)
    };
    Ok(shared.blocking.run(put).await?)
}

fn refused(peer: &NodeId, hash: ChunkHash, error: ChunkError) -> ReplicatorError {
    match error {
        ChunkError::WrongHash { found, .. } => {
            let detail = format!("it sent bytes with the name {found} for chunk {hash}");
            ReplicatorError::Lied { peer: peer.clone(), detail }
        }
        error => error.into(),
    }
}

/// Records that a chunk is good again; `from` is this node when the bytes were put in anew.
async fn record(shared: &Shared, from: &NodeId, hash: ChunkHash) {
    tracing::info!(%from, chunk = %hash, "there is a good copy of a damaged chunk");
    let draft = AuditDraft::from_op(&shared.op(Who::Node), "chunk.repair", hash.to_string());
    if let Err(error) = shared.audit.append_buffered(draft.metadata("from", from.to_string())).await {
        tracing::warn!(%error, chunk = %hash, "a repaired chunk was not recorded in the audit log");
    }
}
