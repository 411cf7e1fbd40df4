//! Every limit and size of the crate, with its default and its unit.

use crate::ChunkError;

/// The largest chunk that anything here makes, keeps or takes over, in bytes.
const MAX_CHUNK_BYTES: u32 = 16 << 20;

/// How the store writes, reads and remembers.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The largest chunk that is kept or read, in bytes. Bounds the memory of one read.
    pub max_chunk_bytes: u32,
    /// Chunks in one group sync. Each holds a file descriptor until the sync, so it stays well below the usual limit.
    pub batch_chunks: usize,
    /// Bytes in one group sync. Larger waits longer for the disk at the end, smaller syncs more often.
    pub batch_bytes: u64,
    /// Threads that sync the files of one batch. They wait for the disk, so there may be more than cores.
    pub sync_threads: usize,
    /// How many chunks the store remembers as verified, so that reading a small range does not hash the whole chunk.
    pub verified_chunks: usize,
    /// How many damaged chunks are kept in quarantine; further ones are deleted instead.
    pub quarantine_chunks: u32,
    /// How many chunks that were found damaged are listed until somebody fetches good copies of them.
    pub hurt_chunks: usize,
    /// Bytes of chunks that stay in the system's page cache because they were written, or read to be passed on or
    /// verified; those that were brought there first leave it first.
    pub page_cache_bytes: u64,
    /// Bytes of chunks that are kept in memory, those not read for longest going first; nothing is written then. `None`
    /// keeps chunks on the disk.
    pub memory_bytes: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            max_chunk_bytes: MAX_CHUNK_BYTES,
            batch_chunks: 128,
            batch_bytes: 128 << 20,
            sync_threads: 8,
            verified_chunks: 16_384,
            quarantine_chunks: 10_000,
            hurt_chunks: 65_536,
            page_cache_bytes: 1 << 30,
            memory_bytes: None,
        }
    }
}

impl StoreOptions {
    pub(crate) fn check(&self) -> Result<(), ChunkError> {
        let problem = if self.max_chunk_bytes == 0 {
            "max_chunk_bytes is 0"
        } else if self.batch_chunks == 0 || self.batch_bytes < u64::from(self.max_chunk_bytes) {
            "a batch must have room for at least one chunk of max_chunk_bytes"
        } else if self.sync_threads == 0 {
            "sync_threads is 0"
        } else if self.memory_bytes.is_some_and(|most| most < 2 * u64::from(self.max_chunk_bytes)) {
            "memory_bytes must have room for two chunks of max_chunk_bytes"
        } else {
            return Ok(());
        };
        Err(ChunkError::Options { problem: problem.to_owned() })
    }
}

/// How files become chunks.
///
/// The sizes decide where data is cut, so two nodes or two versions with other sizes share no chunks.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// The smallest chunk of a large file, in bytes (its last chunk may be smaller). Even.
    pub chunk_min: usize,
    /// The size around which chunks of a large file lie, in bytes. Even.
    pub chunk_avg: usize,
    /// The largest chunk of a large file, in bytes. Even.
    pub chunk_max: usize,
    /// Files smaller than this share chunks, in bytes.
    pub pack_below: usize,
    /// A shared chunk is not closed before it has this many bytes.
    pub pack_min: usize,
    /// Bytes after `pack_min` at which a shared chunk is closed on average: what the edit of one small file costs.
    pub pack_avg: usize,
    /// A shared chunk is closed once it has this many bytes.
    pub pack_max: usize,
    /// Threads that hash and write chunks, besides the one that hashes whole files.
    pub chunk_threads: usize,
    /// Buffers that are in use at once, each of `chunk_max` and `chunk_min`. This is the memory of one ingest.
    pub blocks: usize,
    /// Chunks of one block that wait for a thread.
    pub queue: usize,
    /// How large a version may be.
    pub limits: ManifestLimits,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            chunk_min: 256 << 10,
            chunk_avg: 1 << 20,
            chunk_max: 4 << 20,
            pack_below: 256 << 10,
            pack_min: 128 << 10,
            pack_avg: 512 << 10,
            pack_max: 2 << 20,
            chunk_threads: 2,
            blocks: 6,
            queue: 16,
            limits: ManifestLimits::default(),
        }
    }
}

impl IngestOptions {
    pub(crate) fn check(&self, store: &StoreOptions) -> Result<(), ChunkError> {
        let even = |n: usize| n.is_multiple_of(2);
        let problem = if !(64 <= self.chunk_min && self.chunk_min <= self.chunk_avg && self.chunk_avg <= self.chunk_max)
        {
            "chunk sizes must be 64 <= chunk_min <= chunk_avg <= chunk_max"
        } else if !(even(self.chunk_min) && even(self.chunk_avg) && even(self.chunk_max)) {
            "chunk_min, chunk_avg and chunk_max must be even"
        } else if !(256..=1 << 30).contains(&self.chunk_avg) {
            "chunk_avg must lie between 256 bytes and 1 GiB"
        } else if self.chunk_max as u64 > u64::from(store.max_chunk_bytes) {
            "chunk_max is larger than the store's max_chunk_bytes"
        } else if self.pack_min > self.pack_max || self.pack_avg == 0 || self.pack_max == 0 {
            "shared chunks need pack_min <= pack_max and pack_avg above 0"
        } else if (self.pack_max + self.pack_below) as u64 > u64::from(store.max_chunk_bytes) {
            "pack_max and pack_below together are larger than the store's max_chunk_bytes"
        } else if self.chunk_threads == 0 || self.blocks < 2 || self.queue == 0 {
            "chunk_threads and queue must be at least 1 and blocks at least 2"
        } else {
            return Ok(());
        };
        Err(ChunkError::Options { problem: problem.to_owned() })
    }
}

/// How much a manifest may hold. A stranger's manifest beyond it is refused before memory is given to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestLimits {
    /// Encoded bytes.
    pub bytes: usize,
    /// Files, directories and links.
    pub entries: usize,
    /// Distinct chunks.
    pub chunks: usize,
    /// Bytes of one chunk: whoever fetches it gives it so much memory.
    pub chunk_bytes: u32,
    /// Pieces of chunks, over all files.
    pub segments: usize,
    /// Versions on which this one is built.
    pub parents: usize,
    /// Columns of one table.
    pub columns: usize,
    /// Bytes of a message, of a media type or of a column name.
    pub text: usize,
}

impl Default for ManifestLimits {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            entries: 1 << 20,
            chunks: 1 << 21,
            chunk_bytes: MAX_CHUNK_BYTES,
            segments: 1 << 22,
            parents: 64,
            columns: 10_000,
            text: 16 << 10,
        }
    }
}

/// How a version is verified.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Threads that read and hash chunks, besides the caller's, which hashes whole files where that is to be done.
    pub threads: usize,
    /// Chunks that are read ahead of the caller. Where whole files are hashed, this is the memory of one verification,
    /// in chunks.
    pub ahead: usize,
    /// How many findings are listed; further ones are only counted.
    pub findings: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self { threads: 2, ahead: 8, findings: 10_000 }
    }
}
