//! A store that has everything, and one that gets chunks from it as an engine asks for them.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bib_chunks::{ChunkRef, ChunkStore, IngestOptions, StoreOptions};
use bib_query::{Fetch, FetchError, QueryEngine, QueryError, QueryOptions, QueryStats, Wanted};
use futures::TryStreamExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::support::{Lab, to_json};

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands for all other nodes.
#[derive(Debug)]
pub(crate) struct Peer {
    from: ChunkStore,
    to: ChunkStore,
    /// What was asked for, in order.
    asked: Mutex<Vec<ChunkRef>>,
    /// Calls that may go on; without a permit they wait.
    pub(crate) gate: Semaphore,
    refusal: Mutex<Option<FetchError>>,
    running: AtomicUsize,
    most: AtomicUsize,
    largest: AtomicUsize,
}

/// Counts a call until it ends, in whatever way.
struct Running<'a>(&'a Peer);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Chunks that are synced together: fewer than a batch takes.
const TOGETHER: usize = 64;

#[async_trait]
impl Fetch for Peer {
    async fn fetch(&self, wanted: Wanted) -> Result<u64, FetchError> {
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        let _running = Running(self);
        self.most.fetch_max(now, Ordering::SeqCst);
        self.largest.fetch_max(wanted.chunks.len(), Ordering::SeqCst);
        assert!(wanted.chunks.iter().all(|chunk| !self.to.contains(&chunk.hash)), "it is there already");
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&wanted.chunks);
        self.gate.acquire().await.unwrap().forget();
        self.gate.add_permits(1);
        if let Some(refusal) = self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Err(refusal);
        }
        for chunks in wanted.chunks.chunks(TOGETHER) {
            let mut batch = self.to.batch();
            for chunk in chunks {
                batch.put(chunk.hash, &self.from.read(&chunk.hash).unwrap()).unwrap();
            }
            batch.commit().unwrap();
        }
        Ok(wanted.chunks.iter().map(|chunk| u64::from(chunk.len)).sum())
    }
}

impl Peer {
    /// The chunks that were asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<ChunkRef> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on it answers so; with `None` it gives chunks.
    pub(crate) fn refuse(&self, refusal: Option<FetchError>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = refusal;
    }

    /// No call goes on until permits are added to the gate.
    pub(crate) fn shut(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Waits until this many calls run.
    pub(crate) async fn runs(&self, calls: usize) {
        let come = async {
            while self.running.load(Ordering::SeqCst) != calls {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, come).await.unwrap();
    }

    /// The most calls that ran at once, and the most chunks of one.
    pub(crate) fn most(&self) -> (usize, usize) {
        (self.most.load(Ordering::SeqCst), self.largest.load(Ordering::SeqCst))
    }
}

/// Everything that a query needs on a node that has nothing.
pub(crate) struct Far {
    /// The node that has it all; it is the catalogue, too.
    pub(crate) lab: Lab,
    pub(crate) peer: Arc<Peer>,
    pub(crate) engine: QueryEngine,
    pub(crate) store: ChunkStore,
    pub(crate) dir: TempDir,
}

impl Far {
    pub(crate) fn new(options: QueryOptions) -> Self {
        let mut lab = Lab::new();
        lab.whole = false;
        lab.ingest = IngestOptions {
            chunk_min: 4 << 10,
            chunk_avg: 8 << 10,
            chunk_max: 16 << 10,
            pack_below: 4 << 10,
            ..IngestOptions::default()
        };
        let dir = tempfile::tempdir().unwrap();
        let store = ChunkStore::open(&dir.path().join("blobs"), StoreOptions::default()).unwrap();
        let peer = Arc::new(Peer {
            from: lab.store.clone(),
            to: store.clone(),
            asked: Mutex::default(),
            gate: Semaphore::new(1),
            refusal: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            largest: AtomicUsize::new(0),
        });
        let fetch: Arc<dyn Fetch> = Arc::<Peer>::clone(&peer);
        let engine = QueryEngine::fetching(store.clone(), options, fetch);
        Self { lab, peer, engine, store, dir }
    }

    /// The rows, and what they cost.
    pub(crate) async fn ask(&self, expression: &str) -> Result<(Vec<Value>, QueryStats), QueryError> {
        let result = self.engine.query(expression, None, None, &self.lab).await?;
        let batches: Vec<RecordBatch> = result.stream.try_collect().await?;
        Ok((to_json(&batches), result.stats))
    }

    /// The rows, which are those that the node with all the data gives.
    pub(crate) async fn same(&self, expression: &str) -> QueryStats {
        let (rows, stats) = self.ask(expression).await.unwrap_or_else(|error| panic!("{expression}\n{error}"));
        let whole = self.lab.engine_with(QueryOptions::default());
        let result = whole.query(expression, None, None, &Whole(&self.lab)).await.unwrap();
        let batches: Vec<RecordBatch> = result.stream.try_collect().await.unwrap();
        assert!(!rows.is_empty(), "{expression} has no rows");
        assert_eq!(rows, to_json(&batches), "{expression}");
        stats
    }
}

/// The same catalogue, for the node that has all of it.
struct Whole<'a>(&'a Lab);

#[async_trait]
impl bib_query::Catalog for Whole<'_> {
    async fn resolve(
        &self,
        dataset: &bib_domain::DatasetRef,
        version: Option<&str>,
    ) -> Result<bib_query::Resolved, bib_query::CatalogError> {
        Ok(bib_query::Resolved { whole: true, ..self.0.resolve(dataset, version).await? })
    }
}

/// Bytes of chunks; fails if one of them comes twice.
pub(crate) fn bytes_once(chunks: &[ChunkRef]) -> u64 {
    let names: HashSet<_> = chunks.iter().map(|chunk| chunk.hash).collect();
    assert_eq!(names.len(), chunks.len(), "a chunk was asked for twice");
    chunks.iter().map(|chunk| u64::from(chunk.len)).sum()
}
