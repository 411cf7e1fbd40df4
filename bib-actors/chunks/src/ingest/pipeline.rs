//! The threads behind a [`super::VersionWriter`], and the bounded queues between them.
//!
//! The first failure ends the work: it is kept for the writer, and what still stands in the queues is dropped. The
//! threads end when the pipeline does; it waits for them.

use super::blocks::Block;
use crate::batch::BatchReport;
use crate::commit::{Placed, Staged};
use crate::hold::Hold;
use crate::manifest::ChunkRef;
use crate::store::{ChunkStore, name_of};
use crate::temp::TempFolder;
use crate::{ChunkError, IngestOptions};
use bib_domain::{ChunkHash, ContentHash};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// A part of a block that is a chunk. `number` counts the chunks of the version in the order of their bytes.
#[derive(Debug)]
pub(crate) struct ChunkJob {
    pub(crate) number: u32,
    pub(crate) block: Arc<Block>,
    pub(crate) range: Range<usize>,
}

/// A step in hashing whole files, in the order of their bytes.
#[derive(Debug)]
pub(crate) enum ContentJob {
    /// More bytes of the present file.
    Bytes(Arc<Block>, Range<usize>),
    /// The present file is complete: it is the entry with this number.
    End(usize),
}

/// What the threads found.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Every chunk by its number.
    pub(crate) names: Vec<Option<ChunkRef>>,
    /// The hashes of whole files, by number of entry.
    pub(crate) contents: Vec<(usize, ContentHash)>,
    /// What was new to the store.
    pub(crate) report: BatchReport,
    /// Keeps all of them until the version is published or given up.
    pub(crate) hold: Option<Hold>,
}

/// The running threads.
#[derive(Debug)]
pub(crate) struct Pipeline {
    shared: Arc<Shared>,
    chunks: Option<SyncSender<ChunkJob>>,
    contents: Option<SyncSender<ContentJob>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    store: ChunkStore,
    folder: TempFolder,
    failed: AtomicBool,
    error: Mutex<Option<ChunkError>>,
    done: Mutex<Done>,
    filling: Mutex<Filling>,
    placed: Mutex<Placed>,
    /// The chunks of this version, which need no second look.
    hold: Hold,
    /// Chunks of it that were looked for and not found: they may come as bytes.
    missing: Mutex<HashSet<ChunkHash>>,
}

/// The batch that is being filled.
#[derive(Debug, Default)]
struct Filling {
    staged: Vec<Staged>,
    bytes: u64,
}

impl Pipeline {
    pub(crate) fn start(store: &ChunkStore, options: &IngestOptions) -> Result<Self, ChunkError> {
        options.check(&store.inner.options)?;
        let folder = TempFolder::new(&*store.inner.fs, &store.inner.layout.tmp())?;
        let shared = Arc::new(Shared {
            store: store.clone(),
            folder,
            failed: AtomicBool::new(false),
            error: Mutex::default(),
            done: Mutex::default(),
            filling: Mutex::default(),
            placed: Mutex::default(),
            missing: Mutex::default(),
            hold: store.new_hold(),
        });
        let (chunks, chunk_jobs) = sync_channel(options.queue);
        let (contents, content_jobs) = sync_channel(options.queue);
        let (batches, full) = sync_channel(1);
        let mut this =
            Self { shared: Arc::clone(&shared), chunks: Some(chunks), contents: Some(contents), threads: Vec::new() };

        let chunk_jobs = Arc::new(Mutex::new(chunk_jobs));
        for _ in 0..options.chunk_threads {
            let (shared, jobs, batches) = (Arc::clone(&shared), Arc::clone(&chunk_jobs), batches.clone());
            this.spawn("bib-chunk-write", move || shared.write_chunks(&jobs, &batches))?;
        }
        let owned = Arc::clone(&shared);
        this.spawn("bib-chunk-hash", move || owned.hash_files(&content_jobs))?;
        this.spawn("bib-chunk-sync", move || full.iter().for_each(|batch| shared.place(&batch)))?;
        Ok(this)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), ChunkError> {
        let root = self.shared.store.inner.layout.root();
        let thread =
            Builder::new().name(name.to_owned()).spawn(work).map_err(ChunkError::io("start a thread for", root))?;
        self.threads.push(thread);
        Ok(())
    }

    /// Fails once with the first error of a thread, and from then on with [`ChunkError::WriterFailed`].
    pub(crate) fn check(&self) -> Result<(), ChunkError> {
        if self.shared.failed.load(Ordering::Acquire) {
            return Err(self.shared.error.lock().take().unwrap_or(ChunkError::WriterFailed));
        }
        Ok(())
    }

    pub(crate) fn chunk(&self, job: ChunkJob) -> Result<(), ChunkError> {
        self.check()?;
        let queue = self.chunks.as_ref().ok_or(ChunkError::WriterFailed)?;
        queue.send(job).map_err(|_| ChunkError::WriterFailed)
    }

    pub(crate) fn content(&self, job: ContentJob) -> Result<(), ChunkError> {
        let queue = self.contents.as_ref().ok_or(ChunkError::WriterFailed)?;
        queue.send(job).map_err(|_| ChunkError::WriterFailed)
    }

    /// Fails if the chunk is not in the store.
    pub(crate) fn expect(&self, chunk: ChunkRef) -> Result<(), ChunkError> {
        self.shared.hold.add(chunk.hash);
        let held = self.shared.store.inner.is_held(&chunk.hash, u64::from(chunk.len))?;
        if held {
            return Ok(());
        }
        self.shared.missing.lock().insert(chunk.hash);
        Err(ChunkError::Missing { hash: chunk.hash, damaged: false })
    }

    /// Takes a chunk in that needs no writing.
    pub(crate) fn note(&self, number: u32, chunk: ChunkRef) {
        self.shared.done.lock().note(number, chunk);
    }

    /// Waits until everything is on the disk.
    pub(crate) fn finish(mut self) -> Result<Done, ChunkError> {
        self.join();
        self.check()?;
        let staged = std::mem::take(&mut self.shared.filling.lock().staged);
        self.shared.place(&staged);
        drop(staged);
        self.shared.acknowledge();
        self.check()?;
        let mut done = std::mem::take(&mut *self.shared.done.lock());
        done.hold = Some(self.shared.hold.clone());
        Ok(done)
    }

    /// Lets the threads come to their end.
    fn join(&mut self) {
        self.chunks = None;
        self.contents = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.shared.failed.store(true, Ordering::Release);
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.shared.failed.store(true, Ordering::Release);
        self.join();
        // What was written before the version was given up needs not be written again when it is tried again. If this
        // fails too, the folder stays as a mark.
        if !self.shared.placed.lock().is_empty() {
            self.shared.acknowledge();
        }
    }
}

impl Done {
    fn note(&mut self, number: u32, chunk: ChunkRef) {
        let number = number as usize;
        if self.names.len() <= number {
            self.names.resize(number + 1, None);
        }
        self.names[number] = Some(chunk);
    }
}

impl Shared {
    fn fail(&self, error: ChunkError) {
        self.error.lock().get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }

    fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn write_chunks(&self, jobs: &Mutex<Receiver<ChunkJob>>, batches: &SyncSender<Vec<Staged>>) {
        loop {
            let next = jobs.lock().recv();
            let Ok(job) = next else { return };
            if self.has_failed() {
                continue;
            }
            match self.write_chunk(&job) {
                Ok(None) => {}
                Ok(Some(full)) => {
                    drop(job);
                    if batches.send(full).is_err() {
                        self.fail(ChunkError::WriterFailed);
                    }
                }
                Err(error) => self.fail(error),
            }
        }
    }

    /// Hashes a chunk and writes it if it is new, or damaged in the store; gives the batch away when it is full.
    fn write_chunk(&self, job: &ChunkJob) -> Result<Option<Vec<Staged>>, ChunkError> {
        let inner = &*self.store.inner;
        let bytes = &job.block[job.range.clone()];
        inner.check_size(bytes)?;
        let hash = name_of(bytes);
        self.done.lock().note(job.number, ChunkRef { hash, len: bytes.len() as u32 });
        let new = self.hold.add(hash) || self.missing.lock().remove(&hash);
        if !new || inner.has(&hash, bytes)? {
            return Ok(None);
        }
        if inner.shelf.is_some() {
            let problem = "memory_bytes is set: what is put in would be in no other place".to_owned();
            return Err(ChunkError::Options { problem });
        }
        let staged = inner.stage(&self.folder, hash, bytes, false)?;
        let mut filling = self.filling.lock();
        filling.bytes += staged.len;
        filling.staged.push(staged);
        let options = &inner.options;
        if filling.staged.len() < options.batch_chunks && filling.bytes < options.batch_bytes {
            return Ok(None);
        }
        filling.bytes = 0;
        Ok(Some(std::mem::take(&mut filling.staged)))
    }

    fn hash_files(&self, jobs: &Receiver<ContentJob>) {
        let mut hasher = Sha256::new();
        for job in jobs {
            match job {
                ContentJob::Bytes(block, range) if !self.has_failed() => hasher.update(&block[range]),
                ContentJob::Bytes(..) => {}
                ContentJob::End(entry) => {
                    let content = ContentHash::from_bytes(hasher.finalize_reset().into());
                    self.done.lock().contents.push((entry, content));
                }
            }
        }
    }

    fn place(&self, batch: &[Staged]) {
        if self.has_failed() {
            return;
        }
        if let Err(error) = self.placed.lock().place(&self.store.inner, &self.folder, batch) {
            self.fail(error);
        }
    }

    /// Puts the names on the disk of everything that was placed.
    fn acknowledge(&self) {
        let placed = std::mem::take(&mut *self.placed.lock());
        match placed.acknowledge(&self.store.inner, &self.folder) {
            Ok(report) => self.done.lock().report = report,
            Err(error) => self.fail(error),
        }
    }
}
