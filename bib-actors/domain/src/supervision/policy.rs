//! The restart policy of one child, as data beside its name.
//!
//! Owns the back-off table and the counting window. Never looks at a clock: times are durations since the node started.

use std::time::Duration;

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always, also after it stopped by itself.
    Permanent,
    /// Only after a failure; a child that stopped by itself stays down.
    Transient,
    /// Never.
    Temporary,
}

/// What follows when a child failed more often than its window allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// The failure goes up to the root, which counts it in its own window: below the root's limit the child and its
    /// dependents get one fresh start after the longest back-off and the node is degraded, beyond it the node stops.
    Escalate,
    /// The node stops at once.
    StopNode,
}

/// So many events are allowed within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many events the period may hold.
    pub max: u32,
    /// Length of the period.
    pub period: Duration,
}

impl Window {
    /// Notes an event at `now`, forgets what is older than the period, and says how many the period holds.
    pub fn note(&self, history: &mut Vec<Duration>, now: Duration) -> u32 {
        history.push(now);
        history.retain(|&at| now.saturating_sub(at) < self.period);
        u32::try_from(history.len()).unwrap_or(u32::MAX)
    }
}

/// How long to wait before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Wait before the second restart in a window; the first one is immediate. Doubles with each further restart.
    pub base: Duration,
    /// The wait never grows beyond this.
    pub max: Duration,
    /// The wait is shortened or lengthened by up to this part of itself, so that children do not restart in step.
    pub jitter_percent: u8,
}

impl Backoff {
    /// The wait before the restart that follows the `failures`-th failure in the window.
    ///
    /// `dice` is a random number between 0 and 1, drawn by the caller.
    #[must_use]
    pub fn delay(&self, failures: u32, dice: f64) -> Duration {
        if failures <= 1 {
            return Duration::ZERO;
        }
        let doublings = (failures - 2).min(20);
        let plain = self.base.saturating_mul(1 << doublings).min(self.max);
        let spread = f64::from(self.jitter_percent.min(100)) / 100.0;
        let factor = 1.0 + spread * (dice.clamp(0.0, 1.0) * 2.0 - 1.0);
        plain.mul_f64(factor).min(self.max)
    }
}

/// The whole policy of one child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// When it is started again.
    pub restart: Restart,
    /// How many restarts within which period before the failure goes beyond the child.
    pub intensity: Window,
    /// The waits between restarts.
    pub backoff: Backoff,
    /// What follows when the window is exceeded.
    pub beyond: Beyond,
    /// An incarnation that is not ready after this long counts as hung.
    pub start_within: Duration,
}

impl RestartPolicy {
    /// Restarted always, with back-off: the policy of an actor whose memory is a cache of something durable.
    #[must_use]
    pub const fn permanent() -> Self {
        Self {
            restart: Restart::Permanent,
            intensity: Window { max: 5, period: Duration::from_secs(60) },
            backoff: Backoff { base: Duration::from_millis(50), max: Duration::from_secs(10), jitter_percent: 20 },
            beyond: Beyond::Escalate,
            start_within: Duration::from_secs(120),
        }
    }

    /// One restart, then the node stops: the policy of the audit chain, where a half-applied write could be believed.
    #[must_use]
    pub const fn one_retry() -> Self {
        let mut policy = Self::permanent();
        policy.intensity = Window { max: 1, period: Duration::from_secs(300) };
        policy.beyond = Beyond::StopNode;
        policy
    }

    /// No restart at all: the first failure stops the node.
    #[must_use]
    pub const fn fatal() -> Self {
        let mut policy = Self::permanent();
        policy.intensity = Window { max: 0, period: Duration::from_secs(300) };
        policy.beyond = Beyond::StopNode;
        policy
    }

    /// Never restarted, and its end harms nobody.
    #[must_use]
    pub const fn temporary() -> Self {
        let mut policy = Self::permanent();
        policy.restart = Restart::Temporary;
        policy
    }

    /// The same policy with another window.
    #[must_use]
    pub const fn with_intensity(mut self, max: u32, period: Duration) -> Self {
        self.intensity = Window { max, period };
        self
    }

    /// The same policy with other waits.
    #[must_use]
    pub const fn with_backoff(mut self, base: Duration, max: Duration) -> Self {
        self.backoff.base = base;
        self.backoff.max = max;
        self
    }

    /// The same policy with another limit on the time that a start may take.
    #[must_use]
    pub const fn with_start_within(mut self, limit: Duration) -> Self {
        self.start_within = limit;
        self
    }
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self::permanent()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_table_of_waits() {
        let policy = RestartPolicy::permanent();
        let table: Vec<u128> = (0..=11).map(|n| policy.backoff.delay(n, 0.5).as_millis()).collect();
        assert_eq!(table, [0, 0, 50, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn old_events_leave_the_window() {
        let window = Window { max: 2, period: Duration::from_secs(60) };
        let mut history = Vec::new();
        assert_eq!(window.note(&mut history, Duration::from_secs(1)), 1);
        assert_eq!(window.note(&mut history, Duration::from_secs(2)), 2);
        assert_eq!(window.note(&mut history, Duration::from_secs(61)), 2);
        assert_eq!(window.note(&mut history, Duration::from_secs(200)), 1);
    }

    proptest! {
        #[test]
        fn waits_stay_near_the_table_and_below_the_limit(failures in 0_u32..100, dice in 0.0_f64..1.0) {
            let backoff = RestartPolicy::permanent().backoff;
            let plain = backoff.delay(failures, 0.5);
            let wait = backoff.delay(failures, dice);
            prop_assert!(wait <= backoff.max);
            prop_assert!(wait >= plain.mul_f64(0.799));
            prop_assert!(wait <= plain.mul_f64(1.201));
        }
    }
}
