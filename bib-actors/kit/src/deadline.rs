//! The deadlines of asks, kept by one thread for the whole process.
//!
//! An ask is answered within microseconds nearly always, so its deadline must cost next to nothing to set and to take
//! back: a runtime's timer costs five times as much as the rest of an ask between threads. Never used for anything but
//! giving up.

use crate::clock::monotonic;
use parking_lot::{Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

static DESK: Mutex<Desk> = Mutex::new(Desk { entries: Vec::new(), free: Vec::new(), look_at: None, open: false });
static EARLIER: Condvar = Condvar::new();

/// Who is to be woken when. As many entries as asks are under way, which the mailboxes bound.
struct Desk {
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    /// When the keeper looks next; `None` while it has nothing to wait for.
    look_at: Option<Instant>,
    /// The keeper's thread runs.
    open: bool,
}

struct Entry {
    at: Instant,
    waker: Option<Waker>,
}

/// A point in time at which the task that polls it is woken, unless it is dropped before.
pub(crate) struct Deadline {
    at: Option<Instant>,
    /// Its place at the desk, once it was polled.
    ticket: Option<usize>,
}

impl Deadline {
    /// A deadline from now; a time beyond the clock's range never comes.
    pub(crate) fn after(wait: Duration) -> Self {
        Self { at: monotonic().checked_add(wait), ticket: None }
    }

    /// The point in time, if the clock can show it.
    pub(crate) const fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Ready when the time has come.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        let Some(place) = self.ticket else {
            // most answers are there at the next poll: the clock is not asked before. One that has come already, the keeper sees
            self.ticket = Some(DESK.lock().put(Entry { at, waker: Some(cx.waker().clone()) }));
            return Poll::Pending;
        };
        if monotonic() >= at {
            return Poll::Ready(());
        }
        DESK.lock().renew(place, cx.waker());
        Poll::Pending
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(place) = self.ticket.take() {
            let mut desk = DESK.lock();
            let entry = desk.entries[place].take();
            desk.free.push(place);
            drop(desk);
            drop(entry);
        }
    }
}

impl Desk {
    fn put(&mut self, entry: Entry) -> usize {
        let at = entry.at;
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.entries[place] = Some(entry);
        if !self.open {
            self.open = open();
        }
        self.look_by(at);
        place
    }

    fn look_by(&mut self, at: Instant) {
        if self.look_at.is_none_or(|look_at| at < look_at) {
            self.look_at = Some(at);
            EARLIER.notify_one();
        }
    }

    /// Another task, perhaps, waits for the same time.
    fn renew(&mut self, place: usize, waker: &Waker) {
        if let Some(entry) = self.entries.get_mut(place).and_then(Option::as_mut)
            && !entry.waker.as_ref().is_some_and(|known| known.will_wake(waker))
        {
            entry.waker = Some(waker.clone());
            let at = entry.at;
            // its time may have come since the clock was asked, and the keeper have been there
            self.look_by(at);
        }
    }

    /// Takes the wakers whose time has come and notes when to look again.
    fn due(&mut self, now: Instant) -> Vec<Waker> {
        let mut due = Vec::new();
        self.look_at = None;
        for entry in self.entries.iter_mut().flatten() {
            if entry.waker.is_none() {
                continue;
            }
            if entry.at <= now {
                due.extend(entry.waker.take());
            } else if self.look_at.is_none_or(|look_at| entry.at < look_at) {
                self.look_at = Some(entry.at);
            }
        }
        due
    }
}

/// Starts the keeper's thread. Without it deadlines do not wake anybody; the next ask tries again.
fn open() -> bool {
    match std::thread::Builder::new().name("bib-deadlines".to_owned()).spawn(keep) {
        Ok(_detached) => true,
        Err(error) => {
            tracing::error!(%error, "no thread for deadlines, asks may wait longer than they should");
            false
        }
    }
}

fn keep() {
    let mut desk = DESK.lock();
    loop {
        match desk.look_at {
            None => EARLIER.wait(&mut desk),
            Some(at) if monotonic() < at => {
                EARLIER.wait_until(&mut desk, at);
            }
            Some(_) => {
                let due = desk.due(monotonic());
                parking_lot::MutexGuard::unlocked(&mut desk, || due.into_iter().for_each(Waker::wake));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn passes(wait: Duration) -> Duration {
        let begun = monotonic();
        let mut deadline = Deadline::after(wait);
        poll_fn(|cx| deadline.poll(cx)).await;
        crate::clock::since(begun)
    }

    #[test]
    fn each_deadline_comes_at_its_time_whatever_the_order() {
        crate::probe::run(async {
            let waits = [30_u64, 5, 60, 1, 0, 45].map(Duration::from_millis);
            let took = futures::future::join_all(waits.map(passes)).await;
            for (wait, took) in waits.into_iter().zip(took) {
                assert!(took >= wait && took < wait + Duration::from_secs(5), "{wait:?} took {took:?}");
            }
        });
    }

    #[test]
    fn whoever_polled_last_is_woken() {
        crate::probe::run(async {
            let mut deadline = Deadline::after(Duration::from_millis(20));
            let early = Context::from_waker(Waker::noop());
            assert_eq!((deadline.poll(&early), deadline.poll(&early)), (Poll::Pending, Poll::Pending));
            poll_fn(|cx| deadline.poll(cx)).await;
        });
    }

    #[test]
    fn places_are_used_again_and_far_deadlines_never_come() {
        crate::probe::run(async {
            for _ in 0..10_000 {
                let mut deadline = Deadline::after(Duration::MAX);
                let mut other = Deadline::after(Duration::from_secs(3600));
                let polled = poll_fn(|cx| Poll::Ready((deadline.poll(cx), other.poll(cx)))).await;
                assert_eq!(polled, (Poll::Pending, Poll::Pending));
            }
            assert!(DESK.lock().entries.len() < 100);
        });
    }
}
