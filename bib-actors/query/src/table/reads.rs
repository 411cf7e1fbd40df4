//! The reads of one query: blocking ones are bounded in number, missing chunks are brought, bytes are counted.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bib_chunks::ChunkStore;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::arrivals::Bringer;
use super::fault::ReadFault;
use super::file::{BRINGS, ChunkFile, ChunkReader};

/// What one query has read and given out so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    bytes: AtomicU64,
    fetched: AtomicU64,
    rows: AtomicU64,
    truncated: AtomicBool,
}

impl Counters {
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_fetched(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn set_truncated(&self) {
        self.truncated.store(true, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(crate) fn truncated(&self) -> bool {
        self.truncated.load(Ordering::Relaxed)
    }
}

/// How one query reads from the store. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    store: ChunkStore,
    permits: Arc<Semaphore>,
    counters: Arc<Counters>,
    bringer: Option<Bringer>,
}

impl Reads {
    /// `permits` is shared by all queries of an engine.
    pub(crate) fn new(store: ChunkStore, permits: Arc<Semaphore>, counters: Arc<Counters>) -> Self {
        Self { store, permits, counters, bringer: None }
    }

    /// Has chunks that are missing brought.
    pub(crate) fn bringing(mut self, bringer: Bringer) -> Self {
        self.bringer = Some(bringer);
        self
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    pub(crate) fn store(&self) -> &ChunkStore {
        &self.store
    }

    /// A reader for use inside [`Self::run`].
    pub(crate) fn reader(&self, file: &Arc<ChunkFile>) -> ChunkReader {
        let reader = ChunkReader::new(self.store.clone(), Arc::clone(file), Arc::clone(&self.counters));
        reader.bringing(self.bringer.clone())
    }

    /// Reads a range of a file, for use inside [`Self::run`]. What is missing of it is brought first, with as much of
    /// what lies behind it as was read before it: whoever has read far reads on.
    pub(crate) fn block(&self, file: &ChunkFile, range: Range<u64>) -> Result<Bytes, ReadFault> {
        let mut brings = 0;
        loop {
            match (file.read(&self.store, range.clone()), &self.bringer) {
                (Err(fault), Some(bringer)) if fault.is_missing() && brings < BRINGS => {
                    brings += 1;
                    let until = file.size.min(range.end.saturating_add(bringer.ahead().min(range.start)));
                    bringer.bring_now(&file.path, &file.chunks(std::iter::once(&(range.start..until))))?;
                }
                (read, _) => {
                    let bytes = read?;
                    self.counters.add_bytes(bytes.len() as u64);
                    return Ok(bytes);
                }
            }
        }
    }

    /// Reads ranges of a file, with what is missing of them brought first. Dropping the future leaves at most this one
    /// read to finish.
    pub(crate) async fn ranges(&self, file: &Arc<ChunkFile>, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ReadFault> {
        let ranges: Arc<[Range<u64>]> = ranges.into();
        let mut brings = 0;
        loop {
            match (self.present(file, &ranges).await, &self.bringer) {
                (Err(fault), Some(bringer)) if fault.is_missing() && brings < BRINGS => {
                    brings += 1;
                    bringer.bring(&file.path, &file.chunks(ranges.iter())).await?;
                }
                (read, _) => return read,
            }
        }
    }

    async fn present(&self, file: &Arc<ChunkFile>, ranges: &Arc<[Range<u64>]>) -> Result<Vec<Bytes>, ReadFault> {
        let (store, shared, ranges) = (self.store.clone(), Arc::clone(file), Arc::clone(ranges));
        let parts =
            self.run(&file.path, move || ranges.iter().map(|range| shared.read(&store, range.clone())).collect());
        let parts: Vec<Bytes> = parts.await?;
        self.counters.add_bytes(parts.iter().map(|part| part.len() as u64).sum());
        Ok(parts)
    }

    /// Runs blocking work that reads `path` on a thread for it. A panic there is a fault of the file: the readers of
    /// foreign formats are the only ones that may.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        path: &str,
        work: impl FnOnce() -> Result<T, ReadFault> + Send + 'static,
    ) -> Result<T, ReadFault> {
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
            return Err(ReadFault::new(path, "the query engine is shutting down"));
        };
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(ReadFault::new(
                path,
                "its inner structure is damaged in a way that its reader did not expect; make the file again",
            )),
            Err(_) => Err(ReadFault::new(path, "the read was cancelled because the node is stopping")),
        }
    }
}
