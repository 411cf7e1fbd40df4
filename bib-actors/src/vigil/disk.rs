//! Measures how long the disk takes to write a little and sync it.
//!
//! One probe at a time, on a thread that may block: a disk that hangs holds one thread and shows as slow.

use bib_domain::vigil::{DiskWatch, VigilRules};
use bib_kit::clock;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Written and synced by each probe: a page, the least that a disk writes.
const PROBE: [u8; 4096] = [0x62; 4096];

/// The probe.
pub(super) struct DiskProbe {
    file: PathBuf,
    watch: DiskWatch,
    running: Option<(Instant, JoinHandle<std::io::Result<Duration>>)>,
    slow: Option<Duration>,
}

impl DiskProbe {
    /// Probes by a file in `folder`.
    pub(super) fn new(folder: PathBuf, rules: VigilRules) -> Self {
        Self { file: folder.join("vigil.probe"), watch: DiskWatch::new(rules), running: None, slow: None }
    }

    /// Takes the last measurement in and begins the next one; the warning, if the disk is slow.
    pub(super) fn look(&mut self) -> Option<String> {
        let took = match self.running.take() {
            Some((begun, running)) if !running.is_finished() => {
                let so_far = clock::since(begun);
                self.running = Some((begun, running));
                Some(so_far)
            }
            Some((_, finished)) => futures_now(finished),
            None => None,
        };
        if let Some(took) = took {
            let was = self.slow.is_some();
            self.slow = self.watch.measured(took).then_some(took);
            match (was, self.slow) {
                (false, Some(took)) => tracing::warn!(ms = took.as_millis(), "the disk is slow"),
                (true, None) => tracing::info!("the disk is quick again"),
                _ => {}
            }
        }
        if self.running.is_none() {
            let file = self.file.clone();
            self.running = Some((clock::monotonic(), tokio::task::spawn_blocking(move || probe(&file))));
        }
        self.slow.map(|took| {
            format!(
                "the disk is slow: writing and syncing 4 KiB took {} ms; uploads wait for it, nothing is lost; see \
                 what else writes to it",
                took.as_millis()
            )
        })
    }
}

/// What a task that has ended says. A disk that cannot be written at all is not slow: others tell of that.
fn futures_now(finished: JoinHandle<std::io::Result<Duration>>) -> Option<Duration> {
    use std::task::{Context, Poll, Waker};
    let mut finished = std::pin::pin!(finished);
    match finished.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(Ok(took))) => Some(took),
        _ => None,
    }
}

fn probe(path: &Path) -> std::io::Result<Duration> {
    let begun = clock::monotonic();
    let mut file = File::options().create(true).write(true).truncate(true).open(path)?;
    file.write_all(&PROBE)?;
    file.sync_data()?;
    Ok(clock::since(begun))
}
