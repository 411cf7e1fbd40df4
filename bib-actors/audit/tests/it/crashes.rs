//! Every write, sync and rename of the log made to fail, one after the other, with and without loss of what was not
//! synced. No answer is ever given for a record that is not there afterwards.

use crate::support::{build, draft, options};
use bib_audit::{AuditError, AuditFile, AuditFs, DiskFs, Receipt};
use bib_kit::Exit;
use bib_kit::probe::run;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is lost of the bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Nothing: only the process died.
    Nothing,
    /// All of them.
    All,
    /// The second half.
    Half,
    /// The first half, which becomes zeros: pages reach the disk in any order.
    Holes,
}

/// What a file had when it was last synced, and which bytes were written since.
#[derive(Default)]
struct Unsynced {
    old_len: u64,
    writes: Vec<(u64, Vec<u8>, usize)>,
}

/// A file system whose n-th operation fails, and with it all later ones until it is mended.
#[derive(Default)]
struct State {
    done: usize,
    fail_at: Option<usize>,
    failed: bool,
    unsynced: HashMap<PathBuf, Unsynced>,
}

#[derive(Default, Clone)]
struct FaultyFs(Arc<Mutex<State>>);

struct FaultyFile {
    path: PathBuf,
    file: File,
    fs: FaultyFs,
}

impl FaultyFs {
    /// Counts an operation; an error if it is to fail.
    fn step(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.done += 1;
        if state.failed || state.fail_at == Some(state.done) {
            state.failed = true;
            return Err(io::Error::other("injected fault"));
        }
        Ok(())
    }

    /// The machine comes up again, without some of what was not synced.
    fn restart(&self, loss: Loss) {
        let mut state = self.0.lock();
        for (path, unsynced) in std::mem::take(&mut state.unsynced) {
            let Ok(file) = OpenOptions::new().write(true).open(path) else { continue };
            for (offset, before, written) in unsynced.writes.iter().rev() {
                let half = written / 2;
                let lost = match loss {
                    Loss::Nothing => continue,
                    Loss::All => (0, *written),
                    Loss::Half => (half, *written),
                    Loss::Holes => (0, half),
                };
                let mut old = before.clone();
                old.resize(*written, 0);
                file.write_all_at(&old[lost.0..lost.1], offset + lost.0 as u64).unwrap();
            }
            if loss == Loss::All {
                file.set_len(unsynced.old_len).unwrap();
            }
        }
        (state.failed, state.fail_at) = (false, None);
    }
}

impl AuditFile for FaultyFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let failed = self.fs.step();
        let written = if failed.is_err() { bytes.len() / 2 } else { bytes.len() };
        let len = self.file.metadata()?.len();
        let mut before = vec![0; usize::try_from(len.saturating_sub(offset)).unwrap().min(written)];
        File::open(&self.path).unwrap_or_else(|_| self.file.try_clone().unwrap()).read_exact_at(&mut before, offset)?;
        let mut state = self.fs.0.lock();
        let unsynced = state.unsynced.entry(self.path.clone()).or_default();
        if unsynced.writes.is_empty() {
            unsynced.old_len = len;
        }
        unsynced.writes.push((offset, before, written));
        self.file.write_all_at(&bytes[..written], offset)?;
        failed
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.fs.step()?;
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.fs.step()?;
        self.fs.0.lock().unsynced.remove(&self.path);
        Ok(())
    }
}

impl AuditFs for FaultyFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        self.step()?;
        let file = OpenOptions::new().create(true).truncate(true).write(true).read(true).open(path)?;
        Ok(Box::new(FaultyFile { path: path.to_owned(), file, fs: self.clone() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn AuditFile>> {
        self.step()?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(FaultyFile { path: path.to_owned(), file, fs: self.clone() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        if let Some(unsynced) = self.0.lock().unsynced.remove(from) {
            panic!("{} got its name with {} writes that were not synced", to.display(), unsynced.writes.len());
        }
        DiskFs.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        DiskFs.remove(path)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.step()
    }
}

/// What a client has: receipts, and how many records it asked for without an answer.
#[derive(Default)]
struct Client {
    receipts: Vec<(u64, Receipt)>,
    unanswered: u64,
}

/// Writes twelve records, alone and in company, with the `n`-th operation failing; restarts; looks. False when nothing
/// failed any more.
async fn scenario(n: usize, loss: Loss) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultyFs::default();
    fs.0.lock().fail_at = Some(n);
    let mut options = options(dir.path());
    options.segment_max_bytes = 1_500;
    options.mark_interval = std::time::Duration::ZERO;
    let mut chain = build(options, Arc::new(fs.clone()));
    let mut client = Client::default();
    if chain.guard.start().await.is_ok() {
        let mut refused = false;
        for round in 0..4_u64 {
            let numbers = [round * 10, round * 10 + 1, round * 10 + 2];
            let answers = futures::future::join_all(numbers.map(|number| chain.audit.append(draft(number)))).await;
            for (number, answer) in numbers.into_iter().zip(answers) {
                match answer {
                    Ok(receipt) => {
                        assert!(!refused, "an answer after a failure, operation {n}");
                        client.receipts.push((number, receipt));
                    }
                    Err(error) => {
                        refused = true;
                        client.unanswered += 1;
                        assert!(matches!(error, AuditError::NotWritable { .. } | AuditError::Ask(_)), "{error}");
                    }
                }
            }
        }
        if refused {
            let report = chain.guard.exited().await;
            assert!(matches!(report.exit, Exit::Failed(_)), "{:?}", report.exit);
        } else {
            chain.guard.stop().await;
        }
    }
    let failed = fs.0.lock().failed;
    fs.restart(loss);
    if let Err(report) = chain.guard.start().await {
        panic!("operation {n}, {loss:?}: the log was not opened again: {}", report.exit);
    }
    let verdict = chain.audit.verify().await.unwrap();
    assert!(verdict.ok, "operation {n}, {loss:?}: {verdict:?}");
    let records = chain.audit.export_since(0, 1_000).await.unwrap();
    for (number, receipt) in &client.receipts {
        let found = records.iter().find(|record| record.seq == receipt.seq);
        let found = found.unwrap_or_else(|| panic!("operation {n}, {loss:?}: record {} is lost", receipt.seq));
        assert_eq!((found.leaf_hash, found.rows), (receipt.leaf_hash, Some(*number)), "operation {n}, {loss:?}");
    }
    let written = records.iter().filter(|record| record.action == "test.append").count() as u64;
    assert!(written <= client.receipts.len() as u64 + client.unanswered, "operation {n}: records out of nothing");
    chain.append([99]).await;
    failed
}

fn sweep(loss: Loss) {
    run(async {
        let mut n = 1;
        while scenario(n, loss).await {
            n += 1;
        }
        assert!(n > 40, "only {n} operations were made to fail");
    });
}

#[test]
fn the_process_dies_at_any_operation() {
    sweep(Loss::Nothing);
}

#[test]
fn the_machine_dies_at_any_operation_and_all_is_lost_that_was_not_synced() {
    sweep(Loss::All);
}

#[test]
fn the_machine_dies_at_any_operation_and_the_tail_is_torn() {
    sweep(Loss::Half);
}

#[test]
fn the_machine_dies_at_any_operation_and_pages_are_missing() {
    sweep(Loss::Holes);
}
