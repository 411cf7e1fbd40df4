//! A good copy of a chunk that is damaged here, from whichever peer has one.
//!
//! A chunk's name is proof enough of its bytes, so no manifest is needed.

use crate::error::ReplicatorError;
use crate::frame::{FrameError, read_frame, write_frame};
use crate::shared::Shared;
use crate::wire::ChunkStatus;
use bib_audit::AuditDraft;
use bib_domain::{ChunkHash, NodeId, Who};
use bib_proto::v1::{ChunkHeader, ChunkRequest};
use bib_swarm::protocols;
use futures::io::{AsyncReadExt, AsyncWriteExt};

/// Fetches one chunk from the first of `peers` that has it. False if none does.
pub(crate) async fn repair(shared: &Shared, hash: ChunkHash, peers: &[NodeId]) -> Result<bool, ReplicatorError> {
    for peer in peers {
        let bytes = match fetch(shared, hash, peer).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(error) => {
                tracing::debug!(%error, %peer, chunk = %hash, "no good copy of a chunk from this peer");
                continue;
            }
        };
        let store = shared.chunks.clone();
        let kept = shared.blocking.run(move || {
            let mut batch = store.batch();
            batch.put(hash, &bytes)?;
            batch.commit()
        });
        match kept.await? {
            Ok(_) => {
                tracing::info!(%peer, chunk = %hash, "fetched a good copy of a damaged chunk");
                let op = shared.op(Who::Node);
                let draft = AuditDraft::from_op(&op, "chunk.repair", hash.to_string());
                shared.audit.append_buffered(draft.metadata("from", peer.to_string())).await?;
                return Ok(true);
            }
            Err(bib_chunks::ChunkError::WrongHash { found, .. }) => {
                let detail = format!("it sent bytes with the name {found} for chunk {hash}");
                return Err(ReplicatorError::Lied { peer: peer.clone(), detail });
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

async fn fetch(shared: &Shared, hash: ChunkHash, peer: &NodeId) -> Result<Option<Vec<u8>>, ReplicatorError> {
    let deadline = shared.options.answer_deadline;
    let broke = |source| ReplicatorError::Exchange { peer: peer.clone(), source };
    let mut stream = shared.swarm.open_stream(peer, protocols::DATA).await?;
    let request = ChunkRequest { hashes: vec![hash.as_bytes().to_vec()] };
    write_frame(&mut stream, &request, deadline).await.map_err(broke)?;
    let header: Option<ChunkHeader> =
        read_frame(&mut stream, shared.options.frame_bytes, deadline).await.map_err(broke)?;
    let header = header.ok_or_else(|| broke(FrameError::Closed))?;
    let max = u64::from(shared.chunks.options().max_chunk_bytes);
    let size = match ChunkStatus::of(header.status) {
        Some(ChunkStatus::Here) if header.size <= max => usize::try_from(header.size).unwrap_or(0),
        _ => return Ok(None),
    };
    let mut bytes = vec![0; size];
    let read = tokio::time::timeout(deadline, stream.read_exact(&mut bytes)).await;
    read.map_err(|_| broke(FrameError::Timeout { after: deadline }))?.map_err(|error| broke(error.into()))?;
    let _ = stream.close().await;
    Ok(Some(bytes))
}
