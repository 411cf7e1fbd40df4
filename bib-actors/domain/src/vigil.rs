//! What the clocks and the disk tell about the machine: a wall clock that jumped, a process that stood still, a disk
//! that is slow. Decisions only: whoever asks brings the measurements.

use std::time::Duration;

/// From when on something stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VigilRules {
    /// How often the clocks are looked at.
    pub every: Duration,
    /// The wall clock may differ from the steady one by this much between two looks: time services correct less.
    pub jump: Duration,
    /// A look that comes later than this after its time means that the process stood still.
    pub late: Duration,
    /// Writing a little and syncing it may take this long.
    pub sync: Duration,
    /// The disk is slow when so many syncs in a row took longer: a single one meets other work.
    pub slow_syncs: u32,
}

impl Default for VigilRules {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            jump: Duration::from_secs(2),
            late: Duration::from_secs(5),
            sync: Duration::from_millis(500),
            slow_syncs: 3,
        }
    }
}

/// What a look at the clocks showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anomaly {
    /// The wall clock went on by this many milliseconds more than the steady clock; less, if negative.
    Jumped {
        /// By how much.
        by_ms: i64,
    },
    /// The process did nothing for this long: it was stopped, or the machine was.
    StoodStill {
        /// For how long.
        for_ms: u64,
    },
}

/// Compares the two clocks from look to look.
#[derive(Debug, Clone)]
pub struct ClockWatch {
    rules: VigilRules,
    last: Option<(i64, u64)>,
}

impl ClockWatch {
    /// A watch that has not looked yet.
    #[must_use]
    pub const fn new(rules: VigilRules) -> Self {
        Self { rules, last: None }
    }

    /// Takes both clocks in milliseconds; tells what stands out against the look before.
    pub fn look(&mut self, wall_ms: i64, steady_ms: u64) -> Vec<Anomaly> {
        let Some((wall, steady)) = self.last.replace((wall_ms, steady_ms)) else { return Vec::new() };
        let passed = steady_ms.saturating_sub(steady);
        let mut seen = Vec::new();
        let late = passed.saturating_sub(millis(self.rules.every));
        if late >= millis(self.rules.late) {
            seen.push(Anomaly::StoodStill { for_ms: late });
        }
        let by_ms = wall_ms.saturating_sub(wall).saturating_sub(i64::try_from(passed).unwrap_or(i64::MAX));
        if by_ms.unsigned_abs() >= millis(self.rules.jump) {
            seen.push(Anomaly::Jumped { by_ms });
        }
        seen
    }
}

/// Counts slow syncs.
#[derive(Debug, Clone)]
pub struct DiskWatch {
    rules: VigilRules,
    slow: u32,
}

impl DiskWatch {
    /// A watch that has measured nothing yet.
    #[must_use]
    pub const fn new(rules: VigilRules) -> Self {
        Self { rules, slow: 0 }
    }

    /// Takes how long a sync took, or has taken so far; tells whether the disk is slow.
    pub fn measured(&mut self, took: Duration) -> bool {
        self.slow = if took > self.rules.sync { self.slow.saturating_add(1) } else { 0 };
        self.slow >= self.rules.slow_syncs
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_both_ways_and_stops_are_told_apart() {
        let mut watch = ClockWatch::new(VigilRules::default());
        assert_eq!(watch.look(1_000_000, 0), []);
        assert_eq!(watch.look(1_001_000, 1_000), []);
        assert_eq!(watch.look(1_002_900, 2_000), [], "a small correction");
        assert_eq!(watch.look(4_603_900, 3_000), [Anomaly::Jumped { by_ms: 3_600_000 }]);
        assert_eq!(watch.look(1_004_900, 4_000), [Anomaly::Jumped { by_ms: -3_600_000 }]);
        assert_eq!(watch.look(1_065_900, 65_000), [Anomaly::StoodStill { for_ms: 60_000 }]);
        let both = [Anomaly::StoodStill { for_ms: 9_000 }, Anomaly::Jumped { by_ms: -10_000 }];
        assert_eq!(watch.look(1_065_900, 75_000), both);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut watch = ClockWatch::new(VigilRules::default());
        watch.look(i64::MAX, u64::MAX);
        assert_eq!(watch.look(i64::MIN, 0).len(), 1);
        assert_eq!(watch.look(i64::MAX, u64::MAX).len(), 1);
    }

    #[test]
    fn a_disk_is_slow_when_it_stays_slow() {
        let mut disk = DiskWatch::new(VigilRules::default());
        let (slow, quick) = (Duration::from_secs(1), Duration::from_millis(5));
        assert!(!disk.measured(slow) && !disk.measured(slow) && disk.measured(slow));
        assert!(disk.measured(slow) && !disk.measured(quick));
        assert!(!disk.measured(slow));
    }
}
