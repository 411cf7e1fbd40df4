//! Pauses and stop watches. These programs are no actors: they wait for other processes.

use std::time::{Duration, Instant};

/// Measures from its making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StopWatch(Instant);

impl StopWatch {
    #[expect(clippy::disallowed_methods, reason = "this program measures other processes, it is no actor")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) fn millis(&self) -> f64 {
        self.elapsed().as_secs_f64() * 1000.0
    }
}

/// Lets time pass, as the moment of a fault demands it.
pub(crate) fn pause(time: Duration) {
    let watch = StopWatch::start();
    while let Some(left) = time.checked_sub(watch.elapsed()) {
        std::thread::park_timeout(left);
    }
}
