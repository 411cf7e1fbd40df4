//! What the clocks and the disk tell about the machine: a wall clock that jumped, a process that stood still, a disk
//! that is slow, a program that rests. Decisions only: whoever asks brings the measurements.

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
    /// The program rests when it used no more of a processor than this between two looks ...
    pub rest_cpu: Duration,
    /// ... so many times in a row.
    pub rest_looks: u32,
    /// So many looks lie at least between two times that it gives pages back; in the first half it is seen what rest needs.
    pub rest_pause: u32,
    /// After so many looks what rest needs is found out anew: small work that went on meanwhile was taken for it. While no
    /// work comes, each time it takes twice as long ...
    pub rest_again: u32,
    /// ... up to so many looks.
    pub rest_again_most: u32,
    /// Pages of its own file that the program may hold, in bytes, beyond those that rest needs.
    pub rest_file_bytes: u64,
}

impl Default for VigilRules {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            jump: Duration::from_secs(2),
            late: Duration::from_secs(5),
            sync: Duration::from_millis(500),
            slow_syncs: 3,
            rest_cpu: Duration::from_millis(50),
            rest_looks: 2,
            rest_pause: 20,
            rest_again: 60,
            rest_again_most: 60 << 4,
            rest_file_bytes: 4 << 20,
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
    /// The process did nothing for this long: it was stopped, or the machine was, or slept.
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
    /// By the steady clock, when whoever looks was done with its own work.
    idle_since: u64,
}

impl ClockWatch {
    /// A watch that has not looked yet.
    #[must_use]
    pub const fn new(rules: VigilRules) -> Self {
        Self { rules, last: None, idle_since: 0 }
    }

    /// Takes both clocks in milliseconds; tells what stands out against the look before. The steady one must go on while the
    /// machine sleeps, as the wall clock does.
    pub fn look(&mut self, wall_ms: i64, steady_ms: u64) -> Vec<Anomaly> {
        let Some((wall, steady)) = self.last.replace((wall_ms, steady_ms)) else { return Vec::new() };
        let passed = steady_ms.saturating_sub(steady);
        let mut seen = Vec::new();
        let waited = steady_ms.saturating_sub(steady.max(self.idle_since));
        let late = waited.saturating_sub(millis(self.rules.every));
        if late >= millis(self.rules.late) {
            seen.push(Anomaly::StoodStill { for_ms: late });
        }
        let by_ms = wall_ms.saturating_sub(wall).saturating_sub(i64::try_from(passed).unwrap_or(i64::MAX));
        if by_ms.unsigned_abs() >= millis(self.rules.jump) {
            seen.push(Anomaly::Jumped { by_ms });
        }
        seen
    }

    /// The work that followed the look is done: what it took is no time in which the process stood still.
    pub const fn done(&mut self, steady_ms: u64) {
        self.idle_since = steady_ms;
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

/// Tells when a program that rests holds pages of its own file that it needed for its start, or for work that is done.
#[derive(Debug, Clone)]
pub struct RestWatch {
    rules: VigilRules,
    cpu: Option<Duration>,
    quiet: u32,
    /// Bytes of the file that rest needs: the most that were held after they had been given back, before there was work.
    needs: u64,
    settling: bool,
    /// Looks since they were given back.
    since: u32,
    /// What rest needs is trusted for so many looks.
    trusted: u32,
    /// There was work since they were given back.
    worked: bool,
}

impl RestWatch {
    /// A watch that has not looked yet.
    #[must_use]
    pub const fn new(rules: VigilRules) -> Self {
        let trusted = rules.rest_again;
        Self { rules, cpu: None, quiet: 0, needs: 0, settling: false, since: u32::MAX, trusted, worked: true }
    }

    /// Takes the processor time that the program used in all, and the bytes of its file that it holds; tells whether it
    /// should give them back now.
    pub fn look(&mut self, cpu: Duration, file_bytes: u64) -> bool {
        self.since = self.since.saturating_add(1);
        let used = self.cpu.replace(cpu).map(|before| cpu.saturating_sub(before));
        if used.is_none_or(|used| used > self.rules.rest_cpu) {
            (self.quiet, self.settling, self.worked) = (0, false, true);
            // work came: whether what is held is what rest needs is soon worth another look
            self.trusted = self.rules.rest_again;
            return false;
        }
        if self.settling {
            self.needs = self.needs.max(file_bytes);
            self.settling = self.since < self.rules.rest_pause / 2;
            return false;
        }
        self.quiet = self.quiet.saturating_add(1);
        let needs = if self.since < self.trusted { self.needs } else { 0 };
        let gives = self.quiet >= self.rules.rest_looks
            && self.since >= self.rules.rest_pause
            && file_bytes > needs.saturating_add(self.rules.rest_file_bytes);
        if gives {
            let doubled = self.trusted.saturating_mul(2).min(self.rules.rest_again_most);
            self.trusted = if self.worked { self.rules.rest_again } else { doubled };
            (self.quiet, self.needs, self.settling, self.since, self.worked) = (0, 0, true, 0, false);
        }
        gives
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
    fn its_own_work_is_not_taken_for_a_stop() {
        let mut watch = ClockWatch::new(VigilRules::default());
        watch.look(0, 0);
        watch.done(30_000);
        assert_eq!(watch.look(30_100, 30_100), [], "it waited for others, and looks at once");
        watch.done(30_200);
        assert_eq!(watch.look(91_200, 91_200), [Anomaly::StoodStill { for_ms: 60_000 }]);
        watch.done(99_200);
        assert_eq!(watch.look(199_200, 99_300), [Anomaly::Jumped { by_ms: 99_900 }], "a jump is one at any time");
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

    const MIB: u64 = 1 << 20;

    /// Looks at a program that used so many milliseconds and holds so many MiB since the look before.
    fn looks(watch: &mut RestWatch, cpu: &mut Duration, seen: &[(u64, u64)]) -> Vec<bool> {
        let look = |(used_ms, mib): &(u64, u64)| {
            *cpu += Duration::from_millis(*used_ms);
            watch.look(*cpu, mib * MIB)
        };
        seen.iter().map(look).collect()
    }

    #[test]
    fn pages_are_given_back_once_for_each_time_of_work() {
        let (mut watch, mut cpu) = (RestWatch::new(VigilRules::default()), Duration::ZERO);
        let mut look = |seen: &[(u64, u64)]| looks(&mut watch, &mut cpu, seen);
        assert_eq!(
            look(&[(400, 30), (300, 36), (5, 36), (5, 36)]),
            [false, false, false, true],
            "it starts, and rests"
        );
        // what rest needs comes back little by little
        assert!(!look(&[(5, 3), (5, 6), (5, 9), (5, 9)]).contains(&true));
        assert!(!look(&[(5, 12); 40]).contains(&true), "a little more than at first is not worth it");
        assert_eq!(look(&[(900, 40), (5, 40), (5, 40)]), [false, false, true], "it worked");
        assert!(!look(&[(5, 10); 30]).contains(&true));
        assert!(!look(&[(60, 40); 30]).contains(&true), "it never rests");
    }

    #[test]
    fn work_soon_after_is_not_taken_for_what_rest_needs() {
        let (mut watch, mut cpu) = (RestWatch::new(VigilRules::default()), Duration::ZERO);
        let mut look = |seen: &[(u64, u64)]| looks(&mut watch, &mut cpu, seen);
        assert!(look(&[(400, 30), (5, 36), (5, 36)])[2]);
        assert!(!look(&[(5, 8), (900, 40)]).contains(&true));
        let after = look(&[(5, 40); 40]);
        let at = after.iter().position(|gives| *gives).unwrap();
        assert_eq!((at + 3, after.iter().filter(|gives| **gives).count()), (20, 1), "when the pause is over");
    }

    #[test]
    fn work_too_small_to_be_seen_is_not_taken_for_what_rest_needs_for_ever() {
        let (mut watch, mut cpu) = (RestWatch::new(VigilRules::default()), Duration::ZERO);
        let mut look = |seen: &[(u64, u64)]| looks(&mut watch, &mut cpu, seen);
        assert!(look(&[(400, 30), (5, 36), (5, 36)])[2]);
        // calls of a few milliseconds, while it is seen what rest needs
        assert!(!look(&[(40, 8), (45, 30), (45, 36)]).contains(&true));
        let after = look(&[(5, 36); 60]);
        assert_eq!(after.iter().position(|gives| *gives), Some(60 - 4), "a minute after the last time");
        assert!(!look(&[(5, 8); 55]).contains(&true), "now it is known");
    }

    #[test]
    fn a_program_that_rests_gives_back_less_and_less_often() {
        let rules = VigilRules::default();
        let (mut watch, mut cpu) = (RestWatch::new(rules), Duration::ZERO);
        let mut look = |seen: &[(u64, u64)]| looks(&mut watch, &mut cpu, seen);
        assert!(look(&[(400, 30), (5, 36), (5, 36)])[2]);
        let times =
            |given: &[bool]| given.iter().enumerate().filter(|(_, gives)| **gives).map(|(at, _)| at + 1).collect();
        let given: Vec<usize> = times(&look(&[(5, 9); 4000]));
        assert_eq!(given, [60, 180, 420, 900, 1860, 2820, 3780]);
        // after work it is looked at soon again
        assert!(!look(&[(60, 9)]).contains(&true));
        let given: Vec<usize> = times(&look(&[(5, 9); 400]));
        assert_eq!(given.len(), 3, "{given:?}");
    }
}
