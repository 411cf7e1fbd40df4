//! A file system that fails at a chosen operation, and a machine that forgets what was not synced.
//!
//! It is as unkind as real ones are allowed to be: a failed write leaves a part behind, pages reach the disk in any
//! order, a name is durable only when its directory was synced, and what a failed sync did not write is forgotten later
//! even if another sync of the same file succeeds, unless it was written again.

use bib_audit::{AuditFile, AuditFs, DiskFs};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the machine forgets when it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing: only the process died.
    Nothing,
    /// Everything that was not synced.
    All,
    /// The second half of each write that was not synced.
    Half,
    /// The first half of each, which becomes zeros.
    Holes,
}

/// A write that may not be on the disk.
struct Write {
    inode: u64,
    offset: u64,
    before: Vec<u8>,
    len: usize,
    /// How long the file was before it.
    file_len: u64,
    /// A sync failed after it: only writing it again can save it.
    doomed: bool,
}

/// A name that may not be on the disk.
struct Rename {
    from: PathBuf,
    to: PathBuf,
    replaced: Option<Vec<u8>>,
}

#[derive(Default)]
struct State {
    done: usize,
    fail_at: Option<usize>,
    failed: bool,
    writes: Vec<Write>,
    renames: Vec<Rename>,
    /// Where each file is now.
    paths: HashMap<u64, PathBuf>,
}

fn inode(path: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(path)?.ino())
}

/// The file system.
#[derive(Default, Clone)]
pub(crate) struct FaultyFs(Arc<Mutex<State>>);

struct FaultyFile {
    inode: u64,
    file: File,
    fs: FaultyFs,
}

impl FaultyFs {
    /// One whose `n`-th operation fails, and all after it.
    pub(crate) fn failing_at(n: usize) -> Self {
        let fs = Self::default();
        fs.0.lock().fail_at = Some(n);
        fs
    }

    /// Whether the operation that was to fail was reached.
    pub(crate) fn has_failed(&self) -> bool {
        self.0.lock().failed
    }

    /// A file is gone, and its inode may be another's soon.
    fn forget(&self, path: &Path) {
        if let Ok(old) = inode(path) {
            self.0.lock().writes.retain(|write| write.inode != old);
        }
    }

    fn step(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.done += 1;
        state.failed |= state.fail_at == Some(state.done);
        if state.failed { Err(io::Error::other("injected fault")) } else { Ok(()) }
    }

    /// What died comes up again; nothing fails any more.
    pub(crate) fn restart(&self, loss: Loss) {
        let mut state = self.0.lock();
        (state.failed, state.fail_at) = (false, None);
        if loss == Loss::Nothing {
            return;
        }
        for rename in std::mem::take(&mut state.renames).into_iter().rev() {
            std::fs::rename(&rename.to, &rename.from).unwrap();
            state.paths.insert(inode(&rename.from).unwrap(), rename.from);
            if let Some(bytes) = rename.replaced {
                std::fs::write(&rename.to, bytes).unwrap();
            }
        }
        for write in std::mem::take(&mut state.writes).into_iter().rev() {
            let Ok(file) = OpenOptions::new().write(true).open(&state.paths[&write.inode]) else { continue };
            let lost = match loss {
                Loss::Nothing | Loss::All => 0..write.len,
                Loss::Half => write.len / 2..write.len,
                Loss::Holes => 0..write.len / 2,
            };
            let mut old = write.before;
            old.resize(write.len, 0);
            file.write_all_at(&old[lost.clone()], write.offset + lost.start as u64).unwrap();
            if loss == Loss::All && !write.doomed {
                file.set_len(write.file_len.max(write.offset + lost.start as u64)).unwrap();
            }
        }
    }
}

impl AuditFile for FaultyFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let outcome = self.fs.step();
        let len = if outcome.is_err() { bytes.len() / 2 } else { bytes.len() };
        let file_len = self.file.metadata()?.len();
        let known = usize::try_from(file_len.saturating_sub(offset)).unwrap().min(len);
        let mut before = vec![0; known];
        self.file.read_exact_at(&mut before, offset)?;
        self.file.write_all_at(&bytes[..len], offset)?;
        let mut state = self.fs.0.lock();
        let covers = |old: &Write| {
            old.inode == self.inode && old.offset >= offset && old.offset + old.len as u64 <= offset + len as u64
        };
        // Bytes that were never on the disk are not what a later loss brings back.
        let lost = state.writes.iter().find(|old| covers(old)).map(|old| (old.before.clone(), old.file_len));
        state.writes.retain(|old| !covers(old));
        let (before, file_len) = lost.unwrap_or((before, file_len));
        state.writes.push(Write { inode: self.inode, offset, before, len, file_len, doomed: false });
        outcome
    }

    fn reserve(&mut self, offset: u64, bytes: u64) -> io::Result<bool> {
        self.fs.step()?;
        self.file.set_len(self.file.metadata()?.len().max(offset + bytes))?;
        Ok(true)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.fs.step()?;
        self.fs.0.lock().writes.retain(|write| write.inode != self.inode || write.offset < len);
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        let outcome = self.fs.step();
        let mut state = self.fs.0.lock();
        if outcome.is_err() {
            state.writes.iter_mut().filter(|write| write.inode == self.inode).for_each(|write| write.doomed = true);
        } else {
            state.writes.retain(|write| write.inode != self.inode || write.doomed);
        }
        outcome
    }
}

impl FaultyFs {
    fn file(&self, path: &Path, options: &OpenOptions) -> io::Result<Box<dyn AuditFile>> {
        self.step()?;
        let file = options.open(path)?;
        let inode = file.metadata()?.ino();
        self.0.lock().paths.insert(inode, path.to_owned());
        Ok(Box::new(FaultyFile { inode, file, fs: self.clone() }))
    }
}

impl AuditFs for FaultyFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        self.forget(path);
        self.file(path, OpenOptions::new().create(true).truncate(true).write(true).read(true))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        self.file(path, OpenOptions::new().read(true).write(true))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        self.forget(to);
        let mut state = self.0.lock();
        let moved = inode(from)?;
        assert!(
            state.writes.iter().all(|write| write.inode != moved),
            "{} was named before it was synced",
            to.display()
        );
        state.paths.insert(moved, to.to_owned());
        let replaced = std::fs::read(to).ok();
        state.renames.push(Rename { from: from.to_owned(), to: to.to_owned(), replaced });
        DiskFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.forget(path);
        DiskFs.remove(path)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.step()?;
        self.0.lock().renames.clear();
        Ok(())
    }
}
