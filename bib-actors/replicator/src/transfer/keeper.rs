//! Keepers: they take chunks that have come, hash them, write them, and sync them in groups, on blocking threads.
//!
//! Several lanes work beside each other, so that one hashes and writes while another waits for the disk. A chunk is
//! reported durable only after the sync of its group.

use super::Up;
use super::verified::VerifiedChunks;
use crate::report::Progress;
use crate::shared::Shared;
use bib_chunks::{Batch, Buffer, ChunkError};
use bib_domain::{ChunkHash, Need, NodeId};
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Chunks that a lane takes at once. More would keep them from the other lanes.
const AT_ONCE: usize = 4;

/// A chunk that has come, unchecked.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) peer: NodeId,
    pub(crate) chunk: u32,
    pub(crate) hash: ChunkHash,
    pub(crate) buffer: Buffer,
}

/// What one lane works with.
pub(crate) struct Lane {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pieces: Arc<Mutex<mpsc::Receiver<Piece>>>,
    pub(crate) verified: Arc<VerifiedChunks>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) up: mpsc::Sender<Up>,
    /// Whether chunks go past the page cache.
    pub(crate) direct: bool,
    /// Cancelled when every chunk was found right: there is nothing to wait for with the last sync.
    pub(crate) flush: CancellationToken,
}

/// Chunks of one lane that are not synced yet.
struct Group {
    batch: Option<Batch>,
    chunks: Vec<u32>,
    bytes: u64,
    since: Option<Instant>,
}

impl Group {
    const fn new() -> Self {
        Self { batch: None, chunks: Vec::new(), bytes: 0, since: None }
    }
}

/// What became of one piece.
enum Checked {
    Right { peer: NodeId, chunk: u32, bytes: u64, first: bool },
    Wrong { peer: NodeId, chunk: u32, detail: String },
}

/// The result of one turn on a blocking thread.
struct Turn {
    group: Group,
    direct: bool,
    checked: Vec<Checked>,
    durable: Vec<u32>,
}

impl Lane {
    /// Works until the pieces end.
    pub(crate) async fn run(self) {
        let mut group = Group::new();
        let mut pieces = Vec::with_capacity(AT_ONCE);
        loop {
            let due = group.since.map(|since| since + self.shared.options.commit_after);
            let ended = self.receive(&mut pieces, due).await;
            let now = Instant::now();
            let commit = ended || self.flush.is_cancelled() || due.is_some_and(|due| due <= now);
            let taken = std::mem::take(&mut pieces);
            if !taken.is_empty() || (commit && !group.chunks.is_empty()) {
                match self.turn(group, taken, commit).await {
                    Some(kept) => group = kept,
                    None => return,
                }
            }
            if ended {
                return;
            }
        }
    }

    /// Waits for pieces, until the group is due. True when there will be no more.
    async fn receive(&self, pieces: &mut Vec<Piece>, due: Option<Instant>) -> bool {
        let next = async {
            let mut receiver = self.pieces.lock().await;
            receiver.recv_many(pieces, AT_ONCE).await == 0
        };
        let Some(due) = due else { return next.await };
        tokio::select! {
            ended = next => ended,
            () = self.flush.cancelled() => false,
            () = tokio::time::sleep_until(due) => false,
        }
    }

    /// Checks and writes pieces, and syncs the group if that is due. `None` when this node cannot keep them.
    async fn turn(&self, group: Group, mut pieces: Vec<Piece>, mut commit: bool) -> Option<Group> {
        let full = self.shared.guardian.space().admit(Need::Room).err();
        if full.is_some() {
            // what was taken before is kept; the rest comes again when there is room
            pieces.clear();
            commit = true;
        }
        let (store, verified) = (self.shared.chunks.clone(), Arc::clone(&self.verified));
        let commit_bytes = self.shared.options.commit_bytes;
        let (flush, direct) = (self.flush.clone(), self.direct);
        let work = move || {
            let mut turn = Turn { group, direct, checked: Vec::with_capacity(pieces.len()), durable: Vec::new() };
            for piece in pieces {
                turn.put(&store, &verified, piece)?;
            }
            if commit || flush.is_cancelled() || turn.group.bytes >= commit_bytes {
                turn.sync()?;
            }
            Ok::<_, ChunkError>(turn)
        };
        let error = match self.shared.blocking.run(work).await {
            Ok(Ok(turn)) => {
                let group = self.tell(turn).await;
                match full {
                    None => return Some(group),
                    Some(full) => full.to_string(),
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let _ = self.up.send(Up::Unkept { error }).await;
        None
    }

    async fn tell(&self, turn: Turn) -> Group {
        for checked in turn.checked {
            let up = match checked {
                Checked::Right { peer, chunk, bytes, first } => {
                    self.progress.fetched(bytes);
                    if first {
                        self.progress.verified(bytes);
                    }
                    Up::Verified { peer, chunk }
                }
                Checked::Wrong { peer, chunk, detail } => Up::Wrong { peer, chunk, detail },
            };
            let _ = self.up.send(up).await;
        }
        if !turn.durable.is_empty() {
            let _ = self.up.send(Up::Durable { chunks: turn.durable }).await;
        }
        turn.group
    }
}

impl Turn {
    fn put(
        &mut self,
        store: &bib_chunks::ChunkStore,
        verified: &VerifiedChunks,
        piece: Piece,
    ) -> Result<(), ChunkError> {
        let Piece { peer, chunk, hash, buffer } = piece;
        let bytes = buffer.as_slice();
        if verified.has(chunk) {
            // another peer was faster; its copy is in the group of whoever checked it
            self.checked.push(Checked::Right { peer, chunk, bytes: bytes.len() as u64, first: false });
            return Ok(());
        }
        if self.group.batch.as_ref().is_some_and(|batch| !batch.has_room(bytes.len())) {
            self.sync()?;
        }
        let direct = self.direct;
        let begin = || if direct { store.batch().past_page_cache() } else { store.batch() };
        let batch = self.group.batch.get_or_insert_with(begin);
        match batch.put(hash, bytes) {
            Ok(_) => {
                let first = verified.set(chunk);
                self.group.chunks.push(chunk);
                self.group.bytes += bytes.len() as u64;
                self.group.since.get_or_insert_with(Instant::now);
                self.checked.push(Checked::Right { peer, chunk, bytes: bytes.len() as u64, first });
                Ok(())
            }
            Err(ChunkError::WrongHash { expected, found }) => {
                let detail = format!("it sent bytes with the name {found} for chunk {expected}");
                self.checked.push(Checked::Wrong { peer, chunk, detail });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn sync(&mut self) -> Result<(), ChunkError> {
        let group = std::mem::replace(&mut self.group, Group::new());
        if let Some(batch) = group.batch {
            batch.commit()?;
        }
        self.durable.extend(group.chunks);
        Ok(())
    }
}
