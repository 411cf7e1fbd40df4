//! A full disk is found before anything is written: records are refused, the log stays whole and goes on by itself.

use crate::files::paths;
use crate::support::{build, draft, options};
use bib_audit::{AuditError, AuditFile, AuditFs, DiskFs};
use bib_kit::probe::run;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// More than any test takes.
const PLENTY: u64 = 1 << 40;

/// A disk on which so much can be had at once; what is reserved, or was written before, can be written all the same.
#[derive(Clone)]
struct Disk {
    left: Arc<AtomicU64>,
}

struct Reserving {
    disk: Disk,
    file: Box<dyn AuditFile>,
    end: u64,
    room: u64,
}

impl Disk {
    fn new() -> Self {
        Self { left: Arc::new(AtomicU64::new(PLENTY)) }
    }

    fn leave(&self, bytes: u64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    fn check(&self, bytes: u64) -> io::Result<()> {
        if bytes > self.left.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn wrap(&self, file: Box<dyn AuditFile>, room: u64) -> Box<dyn AuditFile> {
        Box::new(Reserving { disk: self.clone(), file, end: 0, room })
    }
}

impl AuditFile for Reserving {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.end = self.end.max(offset + bytes.len() as u64);
        if self.end > self.room {
            self.disk.check(self.end - self.room)?;
        }
        self.file.write_at(offset, bytes)
    }

    fn reserve(&mut self, offset: u64, bytes: u64) -> io::Result<bool> {
        if let Err(full) = self.disk.check(bytes) {
            // some file systems take what there is, and leave the file longer by it
            self.file.set_len(offset + self.disk.left.load(Ordering::SeqCst))?;
            return Err(full);
        }
        self.room = offset + bytes;
        Ok(true)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.room = self.room.min(len);
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }
}

impl AuditFs for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        self.check(1)?;
        Ok(self.wrap(DiskFs.create(path)?, 0))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        Ok(self.wrap(DiskFs.open(path)?, std::fs::metadata(path)?.len()))
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
    let disk = Disk::new();
    run(async {
        let mut chain = build(options, Arc::new(disk.clone()));
        chain.guard.start().await.unwrap_or_else(|report| panic!("{}", report.exit));
        chain.audit.append(draft(0)).await.unwrap();

        disk.leave(0);
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

        disk.leave(PLENTY);
        let receipt = chain.audit.append(draft(8)).await.unwrap();
        assert_eq!(receipt.seq, taken + 2, "nothing of what was refused is in the log");
        let verdict = chain.audit.verify().await.unwrap();
        assert!(verdict.ok && verdict.records == taken + 2, "{verdict:?}");
        chain.guard.stop().await;
    });
}

#[test]
fn a_start_on_a_full_disk_takes_what_there_is_and_keeps_its_note() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.reserve_bytes = 32 << 10;
    let disk = Disk::new();
    run(async {
        let mut chain = build(options.clone(), Arc::new(disk.clone()));
        chain.guard.start().await.unwrap_or_else(|report| panic!("{}", report.exit));
        chain.append(1..=3).await;
        chain.guard.stop().await;
    });
    // the last block is torn, and no mark vouches for it
    let path = paths(&options.dir).pop().unwrap();
    let sound = std::fs::read(&path).unwrap();
    std::fs::write(&path, &sound[..sound.len() - 7]).unwrap();
    std::fs::remove_file(options.dir.join("mark")).unwrap();

    disk.leave(0);
    run(async {
        let mut chain = build(options.clone(), Arc::new(disk.clone()));
        chain.guard.start().await.unwrap_or_else(|report| panic!("{}", report.exit));
        let refused = chain.audit.append(draft(4)).await.unwrap_err();
        assert!(matches!(refused, AuditError::NoRoom { .. }), "{refused}");
        assert_eq!(chain.audit.head().await.unwrap().seq, 2, "there was no room for the note either");
        // room for some records, and for less than is kept ahead
        disk.leave(4 << 10);
        let receipts = chain.append(5..40).await;
        assert_eq!(receipts[0].seq, 4, "the note comes first");
        let records = chain.audit.export_since(0, 100).await.unwrap();
        let actions: Vec<_> = records.iter().take(4).map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["test.append", "test.append", "audit.cut", "test.append"]);
        assert_eq!(records[2].metadata("after_seq"), Some("2"));
        assert!(chain.audit.verify().await.unwrap().ok);
        chain.guard.stop().await;
    });
    assert!(paths(&options.dir).len() > 2, "no segment was closed");
    for path in paths(&options.dir) {
        let last = *std::fs::read(&path).unwrap().last().unwrap();
        assert_ne!(last, 0, "{} keeps what a reservation left that failed", path.display());
    }
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
