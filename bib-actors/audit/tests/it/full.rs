//! A full disk is found before anything is written: records are refused, the log stays whole and goes on by itself.

use crate::support::{build, draft, options};
use bib_audit::{AuditError, AuditFile, AuditFs, DiskFs};
use bib_kit::probe::run;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A disk on which room can be reserved until it is full; what is reserved can be written all the same.
#[derive(Default, Clone)]
struct Disk {
    full: Arc<AtomicBool>,
    reserved: Arc<AtomicU64>,
}

struct Reserving {
    disk: Disk,
    file: Box<dyn AuditFile>,
    end: u64,
    room: u64,
}

impl Disk {
    fn check(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn wrap(&self, file: Box<dyn AuditFile>) -> Box<dyn AuditFile> {
        Box::new(Reserving { disk: self.clone(), file, end: 0, room: 0 })
    }
}

impl AuditFile for Reserving {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.end = self.end.max(offset + bytes.len() as u64);
        if self.end > self.room {
            self.disk.check()?;
        }
        self.file.write_at(offset, bytes)
    }

    fn reserve(&mut self, offset: u64, bytes: u64) -> io::Result<bool> {
        self.disk.check()?;
        self.room = offset + bytes;
        self.disk.reserved.fetch_add(1, Ordering::SeqCst);
        Ok(true)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
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

#[test]
fn records_go_into_the_reserve_then_are_refused_then_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    // segments end long before the reserve does: the last one grows while there is no room for the next
    options.reserve_bytes = 32 << 10;
    let disk = Disk::default();
    run(async {
        let mut chain = build(options, Arc::new(disk.clone()));
        chain.guard.start().await.unwrap_or_else(|report| panic!("{}", report.exit));
        chain.audit.append(draft(0)).await.unwrap();

        disk.full.store(true, Ordering::SeqCst);
        let mut taken = 0_u64;
        let refused = loop {
            match chain.audit.append(draft(taken + 1)).await {
                Ok(receipt) => {
                    taken += 1;
                    assert_eq!(receipt.seq, taken + 1);
                }
                Err(error) => break error,
            }
            assert!(taken < 1000, "the reserve has no end");
        };
        assert!(taken >= 30, "only {taken} records fit the reserve");
        assert!(matches!(refused, AuditError::NoRoom { .. }) && refused.nothing_was_written(), "{refused}");
        // the actor is the same, reading goes on, and so does refusing
        assert!(chain.audit.append(draft(7)).await.is_err());
        assert!(chain.audit.verify().await.unwrap().ok);

        disk.full.store(false, Ordering::SeqCst);
        let receipt = chain.audit.append(draft(8)).await.unwrap();
        assert_eq!(receipt.seq, taken + 2, "nothing of what was refused is in the log");
        let verdict = chain.audit.verify().await.unwrap();
        assert!(verdict.ok && verdict.records == taken + 2, "{verdict:?}");
        chain.guard.stop().await;
    });
}

#[test]
fn the_real_disk_reserves_zeros_and_gives_them_back() {
    use std::os::unix::fs::MetadataExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let mut file = DiskFs.create(&path).unwrap();
    file.write_at(0, b"abc").unwrap();
    if file.reserve(3, 1 << 20).unwrap() {
        let about = std::fs::metadata(&path).unwrap();
        assert_eq!(about.len(), 3 + (1 << 20));
        assert!(about.blocks() * 512 >= 1 << 20, "{} blocks", about.blocks());
        assert!(std::fs::read(&path).unwrap()[3..].iter().all(|byte| *byte == 0));
        file.set_len(3).unwrap();
        assert!(std::fs::metadata(&path).unwrap().blocks() * 512 < 1 << 20, "the room was not given back");
    }
}
