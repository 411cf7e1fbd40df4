//! The blocking reads of queries: bounded in number, counted in bytes. Owns the counters of one query.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bib_chunks::ChunkStore;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::fault::ReadFault;
use super::file::{ChunkFile, ChunkReader};

/// What one query has read and given out so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    bytes: AtomicU64,
    rows: AtomicU64,
    truncated: AtomicBool,
}

impl Counters {
    pub(crate) fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
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
}

impl Reads {
    /// `permits` is shared by all queries of an engine.
    pub(crate) fn new(store: ChunkStore, permits: Arc<Semaphore>) -> Self {
        Self { store, permits, counters: Arc::default() }
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// A reader for use inside [`Self::run`].
    pub(crate) fn reader(&self, file: &Arc<ChunkFile>) -> ChunkReader {
        ChunkReader::new(self.store.clone(), Arc::clone(file), Arc::clone(&self.counters))
    }

    /// Reads a range of a file, for use inside [`Self::run`].
    pub(crate) fn block(&self, file: &ChunkFile, range: Range<u64>) -> Result<Bytes, ReadFault> {
        file.read(&self.store, range, &self.counters)
    }

    /// Reads ranges of a file. Dropping the future leaves at most this one read to finish.
    pub(crate) async fn ranges(&self, file: &Arc<ChunkFile>, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>, ReadFault> {
        let (store, shared, counters) = (self.store.clone(), Arc::clone(file), Arc::clone(&self.counters));
        self.run(&file.path, move || ranges.into_iter().map(|range| shared.read(&store, range, &counters)).collect())
            .await
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
