//! Counts events by address in windows of time: failed logins, challenges asked for, refusals written down.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

struct Window {
    began: Instant,
    count: u64,
}

/// A bounded table of counters.
pub(crate) struct Rates {
    limit: u64,
    window: Duration,
    capacity: usize,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

impl Rates {
    /// At most `limit` events of one address in `window`; `capacity` addresses are remembered.
    pub(crate) fn new(limit: u64, window: Duration, capacity: usize) -> Self {
        Self { limit, window, capacity, windows: Mutex::new(HashMap::new()) }
    }

    /// Whether one more event is within the limit; if not, how long until it is.
    pub(crate) fn check(&self, now: Instant, address: Option<IpAddr>) -> Result<(), Duration> {
        let Some(address) = address else { return Ok(()) };
        match self.windows.lock().get(&address) {
            Some(window) if window.count >= self.limit => {
                match (window.began + self.window).checked_duration_since(now) {
                    Some(left) if !left.is_zero() => Err(left),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Counts one event. Gives how many this window had before it, and how many the window before had beyond the limit.
    pub(crate) fn count(&self, now: Instant, address: Option<IpAddr>) -> Counted {
        let Some(address) = address else { return Counted { within: true, missed: 0 } };
        let mut windows = self.windows.lock();
        if !windows.contains_key(&address) && windows.len() >= self.capacity {
            let oldest = windows.iter().min_by_key(|(_, window)| window.began).map(|(address, _)| *address);
            if let Some(oldest) = oldest {
                windows.remove(&oldest);
            }
        }
        let window = windows.entry(address).or_insert(Window { began: now, count: 0 });
        let mut missed = 0;
        if now.saturating_duration_since(window.began) >= self.window {
            missed = window.count.saturating_sub(self.limit);
            *window = Window { began: now, count: 0 };
        }
        window.count += 1;
        Counted { within: window.count <= self.limit, missed }
    }

    /// Forgets an address: it has proved itself.
    pub(crate) fn forgive(&self, address: Option<IpAddr>) {
        if let Some(address) = address {
            self.windows.lock().remove(&address);
        }
    }
}

/// What [`Rates::count`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Whether the event is within the limit of its window.
    pub(crate) within: bool,
    /// How many events of the window before were beyond the limit; given once, by the first event after it.
    pub(crate) missed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_kit::clock;

    #[test]
    fn the_limit_holds_for_one_window_and_address() {
        let now = clock::monotonic();
        let rates = Rates::new(2, Duration::from_secs(60), 100);
        let (a, b) = (Some("10.0.0.1".parse().unwrap()), Some("10.0.0.2".parse().unwrap()));
        for _ in 0..2 {
            assert_eq!(rates.check(now, a), Ok(()));
            assert!(rates.count(now, a).within);
        }
        assert_eq!(rates.check(now + Duration::from_secs(20), a), Err(Duration::from_secs(40)));
        assert!(!rates.count(now, a).within);
        assert_eq!(rates.check(now, b), Ok(()));
        assert_eq!(rates.check(now, None), Ok(()));
        let next = now + Duration::from_secs(60);
        assert_eq!(rates.check(next, a), Ok(()));
        assert_eq!(rates.count(next, a), Counted { within: true, missed: 1 });
    }

    #[test]
    fn the_table_is_bounded_and_forgives() {
        let now = clock::monotonic();
        let rates = Rates::new(1, Duration::from_secs(60), 3);
        for n in 0..50_u8 {
            rates.count(now + Duration::from_millis(n.into()), Some(IpAddr::from([10, 0, 0, n])));
        }
        assert_eq!(rates.windows.lock().len(), 3);
        let last = Some(IpAddr::from([10, 0, 0, 49]));
        assert!(rates.check(now, last).is_err());
        rates.forgive(last);
        assert_eq!(rates.check(now, last), Ok(()));
    }
}
