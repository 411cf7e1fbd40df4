//! Attackers from many addresses of this machine, and honest clients beside them.

mod frames;
mod http2;
mod muxer;
mod raw;

pub(crate) use http2::Http2Abuse;
pub(crate) use muxer::{MuxerAbuse, abuse as abuse_muxer};
pub(crate) use raw::{Behaviour, connect_from, raw};

use crate::census::resident;
use crate::dice::Dice;
use crate::watch::StopWatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// What an attack counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Attacks that were begun.
    pub(crate) begun: AtomicU64,
    /// Of which the node let in at all.
    pub(crate) connected: AtomicU64,
}

/// A flood that goes on until it is stopped.
pub(crate) struct Flood {
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    pub(crate) counts: Arc<Counts>,
    tasks: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Starts `attackers` tasks; each attacks again as soon as its attack has ended.
    pub(crate) fn start<F, Fut>(attackers: usize, dice: &Dice, attack: F) -> anyhow::Result<Self>
    where
        F: Fn(Dice, Arc<Counts>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let tasks = (0..attackers as u64).map(|number| {
            let (stop, counts, attack) = (Arc::clone(&stop), Arc::clone(&counts), attack.clone());
            let mut dice = dice.branch(number);
            runtime.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    counts.begun.fetch_add(1, Ordering::Relaxed);
                    let round = dice.branch(dice.clone().next());
                    dice.next();
                    attack(round, Arc::clone(&counts)).await;
                    // one that is refused at once must not turn idly
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        });
        let tasks = tasks.collect();
        Ok(Self { runtime, stop, counts, tasks })
    }

    pub(crate) fn stop(mut self) -> Arc<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.runtime.shutdown_timeout(Duration::from_secs(5));
        self.counts
    }
}

/// The most memory that a process held while `work` went on, in bytes.
pub(crate) fn peak_during<T>(pid: u32, work: impl FnOnce() -> T) -> (T, u64) {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        while matches!(stopped.recv_timeout(Duration::from_millis(50)), Err(std::sync::mpsc::RecvTimeoutError::Timeout))
        {
            peak = peak.max(resident(pid).unwrap_or(0));
        }
        peak.max(resident(pid).unwrap_or(0))
    });
    let done = work();
    drop(stop);
    (done, watcher.join().unwrap_or(0))
}

/// How an honest client fared.
#[derive(Debug, Default)]
pub(crate) struct Honest {
    /// Milliseconds of each answer.
    pub(crate) served: Vec<f64>,
    /// Tries that were not answered.
    pub(crate) failed: Vec<String>,
}

impl Honest {
    /// Asks again and again for as long as `time`.
    pub(crate) fn ask(time: Duration, mut ask: impl FnMut() -> anyhow::Result<()>) -> Self {
        let (whole, mut seen) = (StopWatch::start(), Self::default());
        while whole.elapsed() < time {
            let one = StopWatch::start();
            match ask() {
                Ok(()) => seen.served.push(one.millis()),
                Err(error) => seen.failed.push(format!("{error:#}")),
            }
            crate::watch::pause(Duration::from_millis(50));
        }
        seen
    }
}
