//! What the tests share: small sizes, noise, and stores that vanish.

use bib_chunks::fs::{Fs, RealFs};
use bib_chunks::{
    ChunkStore, Content, FileReader, IngestOptions, Manifest, SignedManifest, StoreOptions, VersionWriter,
};
use bib_domain::ChunkHash;
use ed25519_dalek::SigningKey;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A store in a folder of its own.
pub(crate) struct TestStore {
    pub(crate) store: ChunkStore,
    pub(crate) dir: TempDir,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self::on(TempDir::new().unwrap(), Arc::new(RealFs))
    }

    /// A store that never waits for the disk. It lies in memory where that is possible.
    pub(crate) fn quick() -> Self {
        Self::on(quick_dir(), Arc::new(Unsynced))
    }

    fn on(dir: TempDir, fs: Arc<dyn Fs>) -> Self {
        let store = ChunkStore::open_with(&dir.path().join("blobs"), StoreOptions::default(), fs).unwrap();
        Self { store, dir }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("blobs")
    }

    /// Every chunk file, with its name as text.
    pub(crate) fn chunk_files(&self) -> Vec<(String, PathBuf)> {
        chunk_files(&self.root())
    }
}

/// Puts one chunk in.
pub(crate) fn put(store: &ChunkStore, bytes: &[u8]) -> ChunkHash {
    let mut batch = store.batch();
    let hash = batch.put_bytes(bytes).unwrap().hash;
    batch.commit().unwrap();
    hash
}

/// Waits for something that other threads bring about.
#[expect(clippy::disallowed_methods, reason = "a deadline of a test")]
pub(crate) fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < deadline, "waited too long: {what}");
        std::thread::yield_now();
    }
}

/// A folder in memory if the system has enough of it, for tests that make and remove thousands of files.
pub(crate) fn quick_dir() -> TempDir {
    const MEMORY: &str = "/dev/shm";
    const ROOM: u64 = 512 << 20;
    let room = rustix::fs::statvfs(MEMORY).map_or(0, |about| about.f_bavail * about.f_frsize);
    let dir = if room > ROOM { TempDir::new_in(MEMORY) } else { TempDir::new() };
    dir.unwrap()
}

/// The operating system's files, without the waiting.
#[derive(Debug)]
struct Unsynced;

impl Fs for Unsynced {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealFs.create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        RealFs.create(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        RealFs.write(file, bytes)
    }

    fn write_direct(&self, file: &mut File, bytes: &[u8]) -> io::Result<bool> {
        self.write(file, bytes).map(|()| true)
    }

    fn start_writeback(&self, _file: &File) {}

    fn sync(&self, _file: &File) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename(from, to)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_file_system(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn chunk_files(root: &Path) -> Vec<(String, PathBuf)> {
    let list = |path: &Path| -> Vec<PathBuf> {
        let mut items: Vec<_> = std::fs::read_dir(path).unwrap().map(|item| item.unwrap().path()).collect();
        items.sort();
        items
    };
    let two_digits = |path: &PathBuf| path.file_name().is_some_and(|name| name.len() == 2);
    let branches = list(root).into_iter().filter(two_digits);
    let leaves = branches.flat_map(|branch| list(&branch));
    let files = leaves.flat_map(|leaf| list(&leaf));
    files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path)).collect()
}

/// Sizes a thousand times smaller than the default, so that tests see many chunks of little data.
pub(crate) fn tiny() -> IngestOptions {
    IngestOptions {
        chunk_min: 256,
        chunk_avg: 1024,
        chunk_max: 4096,
        pack_below: 256,
        pack_min: 128,
        pack_avg: 512,
        pack_max: 2048,
        ..IngestOptions::default()
    }
}

/// Bytes that look random and are the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Puts files in, in the given order.
pub(crate) fn ingest<'a>(
    store: &ChunkStore,
    options: &IngestOptions,
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Content {
    let mut writer = VersionWriter::new(store.clone(), options.clone());
    for (path, bytes) in files {
        writer.begin_file(path, 0o644).unwrap();
        writer.write(bytes).unwrap();
        writer.end_file().unwrap();
    }
    writer.finish().unwrap()
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub(crate) fn manifest_of(content: &Content) -> Manifest {
    Manifest {
        dataset: "flights/2013".to_owned(),
        number: 1,
        created_ms: 1_700_000_000_123,
        message: "first".to_owned(),
        parents: Vec::new(),
        publisher: [0; 32],
        chunks: content.chunks.clone(),
        entries: content.entries.clone(),
    }
}

pub(crate) fn sign(content: &Content) -> SignedManifest {
    SignedManifest::sign(manifest_of(content), &key()).unwrap()
}

/// The whole of a file.
pub(crate) fn read(store: &ChunkStore, manifest: &Manifest, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    FileReader::open(store, manifest, path).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}
