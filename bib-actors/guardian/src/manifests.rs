//! Signed manifests on disk, `<data_dir>/manifests/ab/<hash>`, and the last ones used in memory.
//!
//! A manifest is durable before the catalogue names it. It is checked whenever it is read: its signature, and that it
//! is the one that was asked for. One that the catalogue does not name, such as that of a publication that was refused, is
//! removed later, while nobody publishes.

use crate::agreed::Agreed;
use crate::error::GuardianError;
use crate::files;
use bib_chunks::SignedManifest;
use bib_domain::VersionId;
use bib_kit::BlockingPool;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// What a decoded manifest takes in memory beside its bytes, roughly: entries and chunks become values of their own.
const DECODED_FACTOR: usize = 3;

/// How often it is tried to find a moment in which nobody publishes,
const ALONE_TRIES: u32 = 20;
/// and the pause between two tries.
const ALONE_PAUSE: Duration = Duration::from_millis(50);

/// What a manifest takes in memory, roughly, in bytes.
pub(crate) fn decoded_bytes(manifest: &SignedManifest) -> usize {
    manifest.bytes().len() * (1 + DECODED_FACTOR)
}

/// The manifests of this node.
#[derive(Clone)]
pub(crate) struct ManifestStore {
    inner: Arc<Inner>,
    pool: BlockingPool,
    /// Held together by all who publish, from before the file until after the catalogue names it.
    publishing: Arc<RwLock<()>>,
}

struct Inner {
    root: PathBuf,
    /// The folders below the root whose names are on the disk.
    named: Mutex<HashSet<PathBuf>>,
    cache: Mutex<Cache>,
}

impl Inner {
    /// Sees to it that a folder below the root is there and its name on the disk. Whoever comes while another makes it waits:
    /// that it is there says nothing.
    fn folder(&self, dir: &Path) -> Result<(), GuardianError> {
        let mut named = self.named.lock();
        if !named.contains(dir) || !dir.exists() {
            files::private_dir(dir)?;
            files::sync_dir(&self.root)?;
            named.insert(dir.to_owned());
        }
        Ok(())
    }
}

/// The last used ones at the back.
struct Cache {
    entries: VecDeque<(Arc<SignedManifest>, usize)>,
    bytes: usize,
    limit: usize,
}

impl Cache {
    fn get(&mut self, id: VersionId) -> Option<Arc<SignedManifest>> {
        let at = self.entries.iter().position(|(manifest, _)| manifest.id() == id)?;
        let entry = self.entries.remove(at)?;
        let found = Arc::clone(&entry.0);
        self.entries.push_back(entry);
        Some(found)
    }

    fn remove(&mut self, id: VersionId) {
        if let Some(at) = self.entries.iter().position(|(manifest, _)| manifest.id() == id)
            && let Some((_, size)) = self.entries.remove(at)
        {
            self.bytes -= size;
        }
    }

    fn put(&mut self, manifest: Arc<SignedManifest>) {
        let size = decoded_bytes(&manifest);
        if self.get(manifest.id()).is_some() || size > self.limit {
            return;
        }
        self.bytes += size;
        self.entries.push_back((manifest, size));
        while self.bytes > self.limit {
            let Some((_, size)) = self.entries.pop_front() else { return };
            self.bytes -= size;
        }
    }
}

impl ManifestStore {
    /// Opens the store and removes what an interrupted write left.
    pub(crate) fn open(root: PathBuf, cache_bytes: usize, pool: BlockingPool) -> Result<Self, GuardianError> {
        let temporary = root.join("tmp");
        files::private_dir(&temporary)?;
        let left = std::fs::read_dir(&temporary).map_err(GuardianError::file("read", &temporary))?;
        for entry in left.flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        // an earlier process may have made folders without living long enough, or being able, to sync their names
        let above = root.parent().filter(|above| !above.as_os_str().is_empty());
        for folder in above.into_iter().chain([&*root]) {
            files::sync_dir(folder)?;
        }
        let there = std::fs::read_dir(&root).map_err(GuardianError::file("read", &root))?;
        let named = Mutex::new(there.flatten().map(|entry| entry.path()).collect());
        let cache = Mutex::new(Cache { entries: VecDeque::new(), bytes: 0, limit: cache_bytes });
        Ok(Self { inner: Arc::new(Inner { root, named, cache }), pool, publishing: Arc::default() })
    }

    /// No manifest is removed as one that nobody names while this is held.
    pub(crate) async fn publishing(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.publishing).read_owned().await
    }

    /// Nobody publishes while this is held. `None` if somebody does all the time: to wait in line would have all others wait
    /// behind.
    pub(crate) async fn alone(&self) -> Option<OwnedRwLockWriteGuard<()>> {
        for _ in 0..ALONE_TRIES {
            if let Ok(alone) = Arc::clone(&self.publishing).try_write_owned() {
                return Some(alone);
            }
            tokio::time::sleep(ALONE_PAUSE).await;
        }
        None
    }

    /// The manifests on the disk whose id begins with `first`, and that were written before a time in milliseconds since
    /// 1970.
    pub(crate) async fn older(&self, first: u8, before_ms: i64) -> Result<Vec<VersionId>, GuardianError> {
        let inner = Arc::clone(&self.inner);
        self.run(move || {
            let folder = inner.root.join(format!("{first:02x}"));
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries.map_err(GuardianError::file("read", &folder))?,
            };
            let mut found = Vec::new();
            for entry in entries {
                let entry = entry.map_err(GuardianError::file("read", &folder))?;
                let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
                // one that is removed meanwhile is none
                if entry.metadata().is_ok_and(|about| about.mtime().saturating_mul(1000) < before_ms) {
                    found.push(id);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Keeps a manifest; it is durable when this returns. A file that is not what it should be is replaced. Dropping the
    /// future leaves the manifest kept or not kept, never half.
    pub(crate) async fn put(&self, manifest: Arc<SignedManifest>) -> Result<(), GuardianError> {
        let inner = Arc::clone(&self.inner);
        self.run(move || {
            let (path, dir) = place(&inner.root, manifest.id());
            let bytes = manifest.to_bytes();
            inner.folder(&dir)?;
            if std::fs::read(&path).is_ok_and(|there| there == bytes) {
                // it was synced before it got its name; of its name that is not known
                files::sync_dir(&dir)?;
            } else {
                let temporary = inner.root.join("tmp").join(format!("{}-{}", manifest.id().to_hex(), unique()));
                files::write_durably(&path, &temporary, &bytes)?;
            }
            inner.cache.lock().put(manifest);
            Ok(())
        })
        .await
    }

    /// Reads a manifest that the catalogue names.
    pub(crate) async fn get(&self, id: VersionId) -> Result<Arc<SignedManifest>, GuardianError> {
        if let Some(found) = self.inner.cache.lock().get(id) {
            return Ok(found);
        }
        let manifest = self.read(id).await?;
        self.inner.cache.lock().put(Arc::clone(&manifest));
        Ok(manifest)
    }

    /// Reads it from the disk, and keeps it out of the memory of the last used ones.
    pub(crate) async fn read(&self, id: VersionId) -> Result<Arc<SignedManifest>, GuardianError> {
        let inner = Arc::clone(&self.inner);
        self.run(move || {
            let path = place(&inner.root, id).0;
            let hurt = |reason: String| GuardianError::ManifestHurt { id, path: path.clone(), reason };
            let bytes = std::fs::read(&path).map_err(|error| hurt(error.to_string()))?;
            let manifest = SignedManifest::from_bytes(&bytes).map_err(|error| hurt(error.to_string()))?;
            if manifest.id() != id {
                return Err(hurt(format!("it is the manifest of {}", manifest.id())));
            }
            Ok(Arc::new(manifest))
        })
        .await
    }

    /// Removes a manifest that the catalogue no longer names, and what was noted of it. One that is not there is removed
    /// already; a crash before leaves a file that nothing names.
    pub(crate) async fn remove(&self, id: VersionId) -> Result<(), GuardianError> {
        let inner = Arc::clone(&self.inner);
        self.run(move || {
            inner.cache.lock().remove(id);
            let (path, agreed) = (place(&inner.root, id).0, Agreed::in_folder(inner.root.clone()));
            agreed.forget(id)?;
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(GuardianError::file("remove", &path)(error));
                }
                _ => {}
            }
            // a verification that ended just now may have noted it between the two
            agreed.forget(id)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, GuardianError> + Send + 'static,
    ) -> Result<T, GuardianError> {
        self.pool.run(work).await.map_err(|error| GuardianError::Unavailable { reason: error.to_string() })?
    }
}

/// The file of a manifest below `root`, and its folder.
pub(crate) fn place(root: &Path, id: VersionId) -> (PathBuf, PathBuf) {
    let hex = id.to_hex();
    let dir = root.join(&hex[..2]);
    (dir.join(Path::new(&hex)), dir)
}

/// Tells two writers of one manifest apart.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
