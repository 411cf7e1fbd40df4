//! Attackers from many addresses of this machine, and honest clients beside them.

mod frames;
mod http2;
mod muxer;
mod quic;
mod raw;
mod reader;

pub(crate) use http2::Http2Abuse;
pub(crate) use muxer::{MuxerAbuse, abuse as abuse_muxer};
pub(crate) use quic::QuicAbuse;
pub(crate) use raw::{Behaviour, connect_from, raw};
pub(crate) use reader::Reader;

use crate::census::resident;
use crate::dice::Dice;
use crate::watch::StopWatch;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Of which the node also shook hands with, by kind: only they did what their kind is about.
    handshaken: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    /// An attack of this kind got through its handshake.
    pub(crate) fn shake_hands(&self, kind: &'static str) {
        *self.handshaken.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// How many attacks of this kind did.
    pub(crate) fn handshaken(&self, kind: &str) -> u64 {
        self.handshaken.lock().unwrap_or_else(PoisonError::into_inner).get(kind).copied().unwrap_or(0)
    }
}

/// A flood that goes on until it is stopped.
pub(crate) struct Flood {
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    pub(crate) counts: Arc<Counts>,
    tasks: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Starts `attackers` tasks; each attacks again as soon as its attack has ended. The attack is given a number that
    /// chooses its kind: each attacker begins with another one and goes through all.
    pub(crate) fn start<F, Fut>(attackers: usize, dice: &Dice, attack: F) -> anyhow::Result<Self>
    where
        F: Fn(usize, Dice, Arc<Counts>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let tasks = (0..attackers).map(|number| {
            let (stop, counts, attack) = (Arc::clone(&stop), Arc::clone(&counts), attack.clone());
            let (mut dice, mut turn) = (dice.branch(number as u64), number);
            runtime.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    counts.begun.fetch_add(1, Ordering::Relaxed);
                    let round = dice.branch(dice.clone().next());
                    dice.next();
                    attack(turn, round, Arc::clone(&counts)).await;
                    turn = turn.wrapping_add(1);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    #[test]
    fn who_is_let_in_and_gets_no_further_has_not_shaken_hands() {
        // the program that calls may have chosen one already
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let target = listener.local_addr().unwrap();
        // every connection is closed as soon as it is there
        std::thread::spawn(move || listener.incoming().for_each(drop));
        let counts = Arc::new(Counts::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for kind in MuxerAbuse::ALL {
                abuse_muxer(target, kind, Dice::new(1), Arc::clone(&counts)).await;
                assert_eq!(counts.handshaken(kind.name()), 0);
            }
            for kind in Http2Abuse::ALL {
                kind.run(target, Dice::new(1), Arc::clone(&counts)).await;
                assert_eq!(counts.handshaken(kind.name()), 0);
            }
        });
        assert_eq!(counts.connected.load(Ordering::Relaxed), 11);
        counts.shake_hands("a kind");
        assert_eq!((counts.handshaken("a kind"), counts.handshaken("another")), (1, 0));
    }
}
