//! The end of a query's time, for work that waits for nothing: a timer ends only what waits.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::breach::Breach;

/// Until when a query may run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    /// The time that the query was given.
    pub(crate) after: Duration,
}

impl Deadline {
    /// So much time from now on.
    pub(crate) fn of(timeout: Duration) -> Self {
        Self { at: Instant::now() + timeout, after: timeout }
    }

    pub(crate) fn is_over(self) -> bool {
        Instant::now() > self.at
    }
}

/// Asked between two pieces of work, each of which is short.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    deadline: Deadline,
    waited_for: watch::Receiver<()>,
}

impl Stop {
    /// The work ends at `deadline`, or when `alive` is gone.
    pub(crate) fn new(deadline: Deadline, alive: &watch::Sender<()>) -> Self {
        Self { deadline, waited_for: alive.subscribe() }
    }

    /// Fails when the work shall end.
    pub(crate) fn check(&self) -> Result<(), Breach> {
        // what is said to nobody may be the same
        let given_up = self.waited_for.has_changed().is_err();
        if given_up || self.deadline.is_over() { Err(Breach::Late { after: self.deadline.after }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_with_its_time_and_with_its_reader() {
        let (alive, _) = watch::channel(());
        let stop = Stop::new(Deadline::of(Duration::from_secs(600)), &alive);
        assert_eq!(stop.check(), Ok(()));
        let late = Stop::new(Deadline::of(Duration::ZERO), &alive);
        while late.check().is_ok() {}
        assert_eq!(late.check(), Err(Breach::Late { after: Duration::ZERO }));
        drop(alive);
        assert!(stop.check().is_err());
    }
}
