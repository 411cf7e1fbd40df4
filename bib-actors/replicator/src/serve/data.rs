//! Serving `/bib/data/1.0.0`: chunks by name, in the order in which they were asked for.
//!
//! Every chunk is checked against its name before a byte of it is sent. One that is damaged is answered as absent, goes
//! to quarantine, and a good copy is fetched from another peer. Payloads are written as they are, without a copy. A peer
//! that does not read what it asked for holds its own share of the memory, and nobody else waits for that.

use crate::frame::{FrameError, encode_frame, read_frame};
use crate::shared::Shared;
use crate::wire::{self, ChunkStatus};
use bib_chunks::{Buffers, ChunkError};
use bib_domain::{ChunkHash, NodeId};
use bib_proto::v1::{ChunkHeader, ChunkRequest};
use bytes::Bytes;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use futures::{Stream, StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Payloads are written in pieces of this, so that a deadline is one of progress and not of the whole chunk.
const PIECE: usize = 256 * 1024;

/// A chunk on its way out. It holds a place in memory until it is gone.
struct Outgoing {
    hash: ChunkHash,
    status: ChunkStatus,
    bytes: Bytes,
    _places: Option<[OwnedSemaphorePermit; 2]>,
}

impl Outgoing {
    const fn without(hash: ChunkHash, status: ChunkStatus) -> Self {
        Self { hash, status, bytes: Bytes::new(), _places: None }
    }
}

/// Serves one chunk stream until the peer closes it or is silent for too long.
pub(crate) async fn serve(
    shared: &Shared,
    peer: &NodeId,
    share: &Arc<Semaphore>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
) {
    let (reader, mut writer) = stream.split();
    // one goes out while the others are read
    let buffers = Buffers::new(shared.options.read_ahead.max(1) + 1);
    let served = async {
        let chunks = wanted(shared, reader).map_ok(|hash| {
            let buffers = buffers.clone();
            async move { Ok(load(shared, peer, share, buffers, hash).await) }
        });
        let mut chunks = std::pin::pin!(chunks.try_buffered(shared.options.read_ahead.max(1)));
        let after = shared.options.idle_stream;
        let idle = |_| FrameError::Timeout { after };
        // what was loaded is sent before anything is waited for, so this is the time without a request
        while let Some(chunk) = tokio::time::timeout(after, chunks.try_next()).await.map_err(idle)?? {
            send(shared, &mut writer, chunk).await?;
        }
        Ok::<_, FrameError>(())
    };
    if let Err(error) = served.await {
        tracing::debug!(%peer, %error, "a chunk stream broke");
    }
    let _ = writer.close().await;
}

/// The names that the peer asks for, one after another.
fn wanted<'a>(
    shared: &'a Shared,
    reader: impl AsyncRead + Unpin + Send + 'a,
) -> impl Stream<Item = Result<ChunkHash, FrameError>> + 'a {
    let limit = shared.options.frame_bytes;
    let requests = futures::stream::try_unfold(reader, move |mut reader| async move {
        // without a deadline: while the peer waits for chunks it need not ask for more
        let request: Option<ChunkRequest> = read_frame(&mut reader, limit, Duration::MAX).await?;
        Ok(request.map(|request| (request, reader)))
    });
    let names = requests.map(move |request: Result<ChunkRequest, FrameError>| {
        let names = request
            .map(|request| wire::hashes(&request.hashes).filter(|names| names.len() <= shared.options.request_chunks));
        match names {
            Ok(Some(names)) => Ok(futures::stream::iter(names.into_iter().map(Ok))),
            Ok(None) => Err(FrameError::Malformed { detail: "a request names no chunks, or too many".to_owned() }),
            Err(error) => Err(error),
        }
    });
    names.try_flatten()
}

async fn load(shared: &Shared, peer: &NodeId, share: &Arc<Semaphore>, buffers: Buffers, hash: ChunkHash) -> Outgoing {
    if !shared.serves() || !shared.may_talk(peer) {
        return Outgoing::without(hash, ChunkStatus::Refused);
    }
    let places = places(share, &shared.served_chunks).await;
    let chunks = shared.chunks.clone();
    match shared.blocking.run(move || chunks.read_to_serve(&hash, &buffers)).await {
        Ok(Ok(bytes)) => Outgoing { hash, status: ChunkStatus::Here, bytes, _places: places },
        Ok(Err(ChunkError::Missing { .. })) => Outgoing::without(hash, ChunkStatus::Absent),
        Ok(Err(error)) => {
            tracing::error!(%error, chunk = %hash, "a chunk could not be read");
            // one that is damaged was noted by the store: the driver has it recorded and mended
            Outgoing::without(hash, ChunkStatus::Absent)
        }
        Err(error) => {
            tracing::error!(%error, chunk = %hash, "a chunk could not be read");
            Outgoing::without(hash, ChunkStatus::Absent)
        }
    }
}

/// A place of the peer's share, and then one of all. In this order: who waits for its share keeps no place from others.
async fn places(share: &Arc<Semaphore>, all: &Arc<Semaphore>) -> Option<[OwnedSemaphorePermit; 2]> {
    let of_peer = Arc::clone(share).acquire_owned().await.ok()?;
    let of_all = Arc::clone(all).acquire_owned().await.ok()?;
    Some([of_all, of_peer])
}

async fn send(shared: &Shared, writer: &mut (impl AsyncWrite + Unpin), chunk: Outgoing) -> Result<(), FrameError> {
    let header = ChunkHeader {
        hash: chunk.hash.as_bytes().to_vec(),
        status: chunk.status.code(),
        size: chunk.bytes.len() as u64,
    };
    let header = encode_frame(&header);
    let pieces = std::iter::once(&header[..]).chain(chunk.bytes.chunks(PIECE));
    let after = shared.options.write_deadline;
    let timeout = |_| FrameError::Timeout { after };
    for piece in pieces {
        tokio::time::timeout(after, writer.write_all(piece)).await.map_err(timeout)??;
    }
    tokio::time::timeout(after, writer.flush()).await.map_err(timeout)??;
    Ok(())
}
