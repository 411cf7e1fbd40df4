//! Chunks that a read finds missing: each is asked for once, however many reads wait for it, and only so many calls
//! run at a time. Owns the claims; what is a good chunk is decided by the store.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bib_chunks::{ChunkRef, ChunkStore};
use bib_domain::{ChunkHash, VersionId};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::fault::{Lacking, ReadFault};
use super::reads::Counters;
use crate::fetch::{Fetch, FetchError, Wanted};
use crate::options::QueryOptions;

/// A fetch ends this long before its query at the latest, or after nine tenths of its time, so that it is the fetch that
/// says what was missing.
const MARGIN: Duration = Duration::from_millis(250);

/// What is being fetched, for all queries of an engine.
#[derive(Debug)]
pub(crate) struct Arrivals {
    store: ChunkStore,
    fetch: Arc<dyn Fetch>,
    calls: Semaphore,
    /// Chunks of one call.
    most: usize,
    /// How far a reader that goes through a file asks ahead.
    ahead: u64,
    claimed: Mutex<HashSet<ChunkHash>>,
    released: Notify,
}

impl Arrivals {
    pub(crate) fn new(store: ChunkStore, fetch: Arc<dyn Fetch>, options: &QueryOptions) -> Arc<Self> {
        Arc::new(Self {
            store,
            fetch,
            calls: Semaphore::new(options.concurrent_fetches.max(1)),
            most: options.fetch_chunks.max(1),
            ahead: options.fetch_ahead_bytes,
            claimed: Mutex::default(),
            released: Notify::new(),
        })
    }

    /// Claims chunks that nobody else is fetching.
    fn claim(&self, chunks: &[ChunkRef]) -> Claim<'_> {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let free = chunks.iter().filter(|chunk| claimed.insert(chunk.hash));
        Claim { arrivals: self, chunks: free.take(self.most).copied().collect() }
    }

    async fn lacking(&self, chunks: &[ChunkRef]) -> Vec<ChunkRef> {
        let (store, chunks) = (self.store.clone(), chunks.to_vec());
        let look = move || chunks.into_iter().filter(|chunk| !store.contains(&chunk.hash)).collect();
        // a runtime that ends has nobody left who reads
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

/// Chunks that one read fetches for all; others wait until it is dropped.
struct Claim<'a> {
    arrivals: &'a Arrivals,
    chunks: Vec<ChunkRef>,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claimed = self.arrivals.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in &self.chunks {
            claimed.remove(&chunk.hash);
        }
        drop(claimed);
        self.arrivals.released.notify_waiters();
    }
}

/// How one query gets at chunks that are not here. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bringer {
    arrivals: Arc<Arrivals>,
    dataset: Arc<str>,
    version: VersionId,
    counters: Arc<Counters>,
    deadline: Instant,
    /// Its sender is gone when nobody waits for the query any more.
    alive: watch::Receiver<()>,
}

impl Bringer {
    /// `deadline` is that of the query.
    pub(crate) fn new(
        arrivals: Arc<Arrivals>,
        dataset: &str,
        version: VersionId,
        counters: Arc<Counters>,
        deadline: Instant,
        alive: watch::Receiver<()>,
    ) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        let deadline = deadline - MARGIN.min(left / 10);
        Self { arrivals, dataset: dataset.into(), version, counters, deadline, alive }
    }

    /// How far a reader that goes through a file asks ahead at most.
    pub(crate) fn ahead(&self) -> u64 {
        self.arrivals.ahead
    }

    /// Comes back when all of `chunks`, which `file` needs, are in the store.
    pub(crate) async fn bring(&self, file: &str, chunks: &[ChunkRef]) -> Result<(), ReadFault> {
        let fault = |left: &[ChunkRef], why: FetchError| {
            ReadFault::lacking(
                file,
                Lacking {
                    dataset: self.dataset.to_string(),
                    chunks: left.len(),
                    bytes: left.iter().map(|chunk| u64::from(chunk.len)).sum(),
                    came: self.counters.fetched(),
                    why,
                },
            )
        };
        let mut left = self.arrivals.lacking(chunks).await;
        while !left.is_empty() {
            let round = tokio::time::timeout_at(self.deadline, self.round(&left)).await;
            let done = round.unwrap_or(Err(FetchError::Late));
            left = self.arrivals.lacking(&left).await;
            if let Err(why) = done
                && !left.is_empty()
            {
                return Err(fault(&left, why));
            }
        }
        Ok(())
    }

    /// Fetches what nobody else does, or waits until somebody else has fetched something.
    async fn round(&self, left: &[ChunkRef]) -> Result<(), FetchError> {
        let released = self.arrivals.released.notified();
        tokio::pin!(released);
        // a release between the look at the claims and the wait is not missed
        released.as_mut().enable();
        let claim = self.arrivals.claim(left);
        if claim.chunks.is_empty() {
            released.await;
            return Ok(());
        }
        // whoever had them claimed may have brought them since
        let chunks = self.arrivals.lacking(&claim.chunks).await;
        if chunks.is_empty() {
            return Ok(());
        }
        let _call = self.arrivals.calls.acquire().await.map_err(|closed| FetchError::Failed(closed.to_string()))?;
        let within = self.deadline.saturating_duration_since(Instant::now());
        let dataset = self.dataset.to_string();
        let wanted = Wanted { dataset, version: self.version, chunks: chunks.clone(), within };
        self.counters.add_fetched(self.arrivals.fetch.fetch(wanted).await?);
        match self.arrivals.lacking(&chunks).await.len() {
            0 => Ok(()),
            lost => Err(FetchError::Failed(format!("{lost} of them were gone again when they were to be read"))),
        }
    }

    /// The same for a thread that may block, until nobody waits for the query any more.
    pub(crate) fn bring_now(&self, file: &str, chunks: &[ChunkRef]) -> Result<(), ReadFault> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(ReadFault::new(file, "a part of it is not here, and this thread cannot wait for it"));
        };
        let mut alive = self.alive.clone();
        runtime.block_on(async {
            tokio::select! {
                brought = self.bring(file, chunks) => brought,
                // nothing is ever sent: this ends when the sender is gone
                _ = alive.changed() => Err(ReadFault::new(file, "nobody waits for the query any more")),
            }
        })
    }
}
