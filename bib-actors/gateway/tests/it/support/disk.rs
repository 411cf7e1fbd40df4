//! A disk under the audit log that can be full.

use bib_audit::{AuditFile, AuditFs, DiskFs};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The real file system, unless it is told to be full.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<AtomicBool>);

impl Disk {
    pub(crate) fn fill(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn wrap(&self, file: Box<dyn AuditFile>) -> Box<dyn AuditFile> {
        Box::new(File { disk: self.clone(), file })
    }
}

struct File {
    disk: Disk,
    file: Box<dyn AuditFile>,
}

impl AuditFile for File {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.check()?;
        self.file.write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.check()?;
        self.file.sync()
    }
}

impl AuditFs for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        self.check()?;
        Ok(self.wrap(DiskFs.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        Ok(self.wrap(DiskFs.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        DiskFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        DiskFs.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        DiskFs.sync_dir(dir)
    }
}
