//! One data stream of a transfer: requests go out ahead, answers come back in order.
//!
//! It checks headers against the signed manifest before it reads a payload, and hands payloads to the keepers. It never
//! hashes, and never keeps a chunk.

use super::Up;
use super::keeper::Piece;
use super::verified::VerifiedChunks;
use crate::frame::{FrameError, read_frame, write_frame};
use crate::shared::Shared;
use crate::wire::ChunkStatus;
use bib_chunks::{Buffers, ChunkRef};
use bib_domain::NodeId;
use bib_domain::transfer::{Verdict, judge};
use bib_proto::v1::{ChunkHeader, ChunkRequest};
use bib_swarm::protocols;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;

/// Payloads are read in pieces of this at most, each of which counts as progress.
const PIECE: usize = 256 * 1024;
/// Headers are read through a buffer of this; payloads go past it.
const HEADER: usize = 4096;
/// Names in one request: several that wait are asked for together.
const TOGETHER: usize = 8;

/// What one stream works with.
pub(crate) struct DataStream {
    pub(crate) shared: Arc<Shared>,
    pub(crate) peer: NodeId,
    pub(crate) stream: usize,
    /// Whether the peer says that it has the version whole.
    pub(crate) claims: bool,
    pub(crate) chunks: Arc<[ChunkRef]>,
    pub(crate) verified: Arc<VerifiedChunks>,
    pub(crate) buffers: Buffers,
    /// Bytes received from this peer, for the measurement of its throughput.
    pub(crate) received: Arc<AtomicU64>,
    pub(crate) up: mpsc::Sender<Up>,
    pub(crate) keep: mpsc::Sender<Piece>,
}

/// Why a stream ended.
enum End {
    Frame(FrameError),
    /// The loop knows already.
    Told,
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl DataStream {
    /// Opens the stream after `pause` and fetches the chunks that come through `asks`, until those end.
    pub(crate) async fn run(self, pause: Duration, asks: mpsc::Receiver<u32>) {
        tokio::time::sleep(pause).await;
        let limit = self.shared.options.open_deadline;
        let opening = self.shared.swarm.open_stream(&self.peer, protocols::DATA);
        let error = match tokio::time::timeout(limit, opening).await {
            Ok(Ok(stream)) => {
                self.tell(Up::Opened { peer: self.peer.clone(), stream: self.stream }).await;
                let (reader, writer) = stream.split();
                let (sent, answers) = mpsc::channel(self.shared.options.transfer.window_chunks.max(1));
                let reading = self.read(BufReader::with_capacity(HEADER, reader), answers);
                match futures::future::try_join(self.write(writer, asks, sent), reading).await {
                    Ok(_) | Err(End::Told) => return,
                    Err(End::Frame(error)) => error.to_string(),
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it did not open within {limit:?}"),
        };
        self.tell(Up::Closed { peer: self.peer.clone(), stream: self.stream, error }).await;
    }

    async fn write(
        &self,
        mut writer: impl AsyncWrite + Unpin,
        mut asks: mpsc::Receiver<u32>,
        sent: mpsc::Sender<u32>,
    ) -> Result<(), End> {
        let mut waiting = Vec::with_capacity(TOGETHER);
        while asks.recv_many(&mut waiting, TOGETHER).await > 0 {
            let mut request = ChunkRequest::default();
            for chunk in waiting.drain(..) {
                if self.verified.has(chunk) {
                    let (peer, stream) = (self.peer.clone(), self.stream);
                    self.tell(Up::Skipped { peer, stream, chunk }).await;
                } else if let Some(about) = self.chunks.get(chunk as usize) {
                    request.hashes.push(about.hash.as_bytes().to_vec());
                    let _ = sent.send(chunk).await;
                }
            }
            if !request.hashes.is_empty() {
                write_frame(&mut writer, &request, self.shared.options.write_deadline).await?;
            }
        }
        let _ = writer.close().await;
        Ok(())
    }

    async fn read(&self, mut reader: impl AsyncRead + Unpin, mut answers: mpsc::Receiver<u32>) -> Result<(), End> {
        while let Some(chunk) = answers.recv().await {
            let Some(about) = self.chunks.get(chunk as usize).copied() else { continue };
            let limit = self.shared.options.frame_bytes;
            let header: Option<ChunkHeader> = read_frame(&mut reader, limit, self.patience()).await?;
            let header = header.ok_or(FrameError::Closed)?;
            let (peer, stream) = (self.peer.clone(), self.stream);
            match ChunkStatus::of(header.status) {
                Some(ChunkStatus::Here) => {}
                Some(ChunkStatus::Absent) => {
                    self.tell(Up::Absent { peer, stream, chunk }).await;
                    continue;
                }
                Some(ChunkStatus::Refused) => {
                    self.tell(Up::Refused { peer }).await;
                    return Err(End::Told);
                }
                None => {
                    let detail = format!("a chunk header has status {}", header.status);
                    return Err(FrameError::Malformed { detail }.into());
                }
            }
            let (name_fits, size_fits) = (header.hash == about.hash.as_bytes(), header.size == u64::from(about.len));
            match judge(name_fits, size_fits, self.claims) {
                Verdict::Right => self.take(&mut reader, chunk, about).await?,
                Verdict::Lacks => {
                    tracing::info!(%peer, chunk = %about.hash, size = header.size, signed = about.len, "a chunk has another length elsewhere than its publisher signed");
                    self.pass_over(&mut reader, header.size).await?;
                    self.tell(Up::Absent { peer, stream, chunk }).await;
                }
                Verdict::Lies => {
                    let detail = format!(
                        "it was asked for chunk {} of {} bytes and sent a header for {} bytes of {}",
                        about.hash,
                        about.len,
                        header.size,
                        hex::encode(header.hash.get(..32).unwrap_or(&header.hash)),
                    );
                    self.tell(Up::Wrong { peer, chunk, detail }).await;
                    return Err(End::Told);
                }
            }
        }
        Ok(())
    }

    async fn take(&self, reader: &mut (impl AsyncRead + Unpin), chunk: u32, about: ChunkRef) -> Result<(), End> {
        let mut buffer = self.buffers.take(about.len as usize);
        self.fill(reader, buffer.as_mut_slice()).await?;
        let (peer, stream) = (self.peer.clone(), self.stream);
        // told before the keeper can know of it, so that the loop hears of the arrival first
        self.tell(Up::Arrived { peer, stream, chunk }).await;
        let _ = self.keep.send(Piece { peer: self.peer.clone(), chunk, hash: about.hash, buffer }).await;
        Ok(())
    }

    /// Reads a payload that is of no use, so that the next answer can be read.
    async fn pass_over(&self, reader: &mut (impl AsyncRead + Unpin), size: u64) -> Result<(), End> {
        let most = self.shared.chunks.options().max_chunk_bytes;
        let mut left = match u32::try_from(size) {
            Ok(size) if size <= most => size as usize,
            _ => {
                let detail = format!("a chunk header tells {size} bytes, chunks have at most {most}");
                return Err(FrameError::Malformed { detail }.into());
            }
        };
        let mut buffer = self.buffers.take(left.min(PIECE));
        while left > 0 {
            let piece = left.min(PIECE);
            self.fill(reader, &mut buffer.as_mut_slice()[..piece]).await?;
            left -= piece;
        }
        Ok(())
    }

    async fn fill(&self, reader: &mut (impl AsyncRead + Unpin), bytes: &mut [u8]) -> Result<(), End> {
        let mut filled = 0;
        while filled < bytes.len() {
            let until = bytes.len().min(filled + PIECE);
            let after = self.patience();
            let read = tokio::time::timeout(after, reader.read(&mut bytes[filled..until])).await;
            let count = read.map_err(|_| FrameError::Timeout { after })?.map_err(FrameError::from)?;
            if count == 0 {
                return Err(FrameError::Truncated.into());
            }
            filled += count;
            self.received.fetch_add(count as u64, Relaxed);
        }
        Ok(())
    }

    /// The transfer leaves a stalled peer by its own rule; this only keeps a stream from waiting for ever.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.shared.options.transfer.stall_ms.saturating_mul(2))
    }

    async fn tell(&self, up: Up) {
        let _ = self.up.send(up).await;
    }
}
