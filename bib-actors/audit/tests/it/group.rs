//! Many callers at once: group commit, bounds, buffered records.

use crate::support::{build, draft, options, start};
use bib_audit::{AuditFile, AuditFs, DiskFs};
use bib_kit::probe::run;
use futures::future::join_all;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts the syncs of segment files.
#[derive(Default)]
struct Counting {
    syncs: Arc<AtomicU64>,
}

struct CountedFile {
    file: Box<dyn AuditFile>,
    syncs: Arc<AtomicU64>,
}

impl AuditFile for CountedFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync()
    }
}

impl AuditFs for Counting {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        Ok(Box::new(CountedFile { file: DiskFs.create(path)?, syncs: Arc::clone(&self.syncs) }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        DiskFs.open(path)
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
fn sixty_four_callers_share_syncs_and_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.segment_max_bytes = 16 << 20;
    let fs = Arc::new(Counting::default());
    let syncs = Arc::clone(&fs.syncs);
    run(async {
        let mut chain = build(options, fs);
        chain.guard.start().await.unwrap();
        let audit = &chain.audit;
        let callers = (0..64_u64).map(|caller| async move {
            let mut last = 0;
            for turn in 0..50 {
                let receipt = audit.append(draft(caller * 1_000 + turn)).await.unwrap();
                assert!(receipt.seq > last, "caller {caller} went back");
                last = receipt.seq;
            }
        });
        join_all(callers).await;
        let records = 64 * 50;
        assert_eq!(audit.head().await.unwrap().seq, records);
        let used = syncs.load(Ordering::Relaxed);
        assert!(used < records / 4, "{used} syncs for {records} records: commits were not shared");
        assert!(audit.verify().await.unwrap().ok);
    });
}

#[test]
fn more_callers_than_places_wait_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    (options.queue_capacity, options.batch_max_entries, options.batch_max_bytes) = (4, 3, 700);
    run(async {
        let chain = start(options).await;
        let receipts = join_all((0..200).map(|number| chain.audit.append(draft(number)))).await;
        let mut seqs: Vec<_> = receipts.into_iter().map(|receipt| receipt.unwrap().seq).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, (1..=200).collect::<Vec<_>>());
        assert!(chain.audit.verify().await.unwrap().ok);
    });
}

#[test]
fn buffered_records_arrive_by_themselves_and_share_a_sync() {
    let dir = tempfile::tempdir().unwrap();
    let fs = Arc::new(Counting::default());
    let syncs = Arc::clone(&fs.syncs);
    let mut options = options(dir.path());
    options.segment_max_bytes = 16 << 20;
    run(async {
        let mut chain = build(options, fs);
        chain.guard.start().await.unwrap();
        let mut events = chain.topic.subscribe();
        let before = syncs.load(Ordering::Relaxed);
        for number in 0..100 {
            chain.audit.append_buffered(draft(number)).await.unwrap();
        }
        let mut seen = 0;
        while seen < 100 {
            match tokio::time::timeout(Duration::from_secs(20), events.recv()).await.unwrap() {
                bib_kit::Event::Item(event) => seen += event.records.len(),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(chain.audit.head().await.unwrap().seq, 100);
        let used = syncs.load(Ordering::Relaxed) - before;
        assert!(used <= 50, "{used} syncs for 100 buffered records");
    });
}

#[test]
fn a_buffered_record_comes_before_a_later_one_of_the_same_caller() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        for number in 0..30 {
            chain.audit.append_buffered(draft(number * 2)).await.unwrap();
            chain.audit.append(draft(number * 2 + 1)).await.unwrap();
        }
        let records = chain.audit.export_since(0, 100).await.unwrap();
        let numbers: Vec<_> = records.iter().map(|record| record.rows.unwrap()).collect();
        assert_eq!(numbers, (0..60).collect::<Vec<_>>());
    });
}

#[test]
fn verification_and_pages_go_on_while_records_are_written() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        let audit = &chain.audit;
        let write = async {
            for number in 0..300 {
                audit.append(draft(number)).await.unwrap();
            }
        };
        let read = async {
            let mut seen = 0;
            while seen < 300 {
                let verdict = audit.verify().await.unwrap();
                assert!(verdict.ok, "{verdict:?}");
                assert!(verdict.records >= seen);
                seen = verdict.records;
                let page = audit.list(bib_audit::ListFilter::default()).await.unwrap();
                assert!(page.first().is_none_or(|record| record.seq >= seen));
            }
        };
        futures::future::join(write, read).await;
    });
}
