//! How fast a whole transfer comes along, averaged over a while.
//!
//! Chunks may be large and lines slow, so bytes count, whole chunk or not.

use super::Rules;
use std::collections::VecDeque;

/// Into how many steps the time of the average is cut: the average is over at most one step more than that time.
const STEPS: u64 = 8;

/// The bytes of a transfer over time.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Moments, and how many bytes had come by then. The first is where the average begins.
    marks: VecDeque<(u64, u64)>,
    total: u64,
    slow: bool,
}

impl Pace {
    /// The pace of a transfer that begins at the moment 0.
    pub(super) fn new() -> Self {
        Self { marks: VecDeque::from([(0, 0)]), total: 0, slow: false }
    }

    pub(super) const fn add(&mut self, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
    }

    /// Time has passed.
    pub(super) fn measure(&mut self, now_ms: u64, rules: &Rules) {
        let over = rules.least_rate_over_ms;
        let age = |mark: Option<&(u64, u64)>| mark.map(|&(at, _)| now_ms.saturating_sub(at));
        if age(self.marks.back()).is_none_or(|age| age >= (over / STEPS).max(1)) {
            self.marks.push_back((now_ms, self.total));
        }
        while self.marks.len() > 1 && age(self.marks.get(1)).is_some_and(|age| age >= over) {
            self.marks.pop_front();
        }
        self.slow = self.marks.front().is_some_and(|&(since, had)| {
            let elapsed = now_ms.saturating_sub(since);
            elapsed > 0
                && elapsed >= over
                && (self.total - had).saturating_mul(1000) < rules.least_rate.saturating_mul(elapsed)
        });
    }

    /// Whether less came than should have, when last measured. Never before the time of the average has passed.
    pub(super) const fn is_slow(&self) -> bool {
        self.slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> Rules {
        Rules { least_rate: 1000, least_rate_over_ms: 10_000, ..Rules::default() }
    }

    fn run(pace: &mut Pace, from_ms: u64, to_ms: u64, bytes: u64) {
        for now in (from_ms..to_ms).step_by(250) {
            pace.add(bytes);
            pace.measure(now + 250, &rules());
        }
    }

    #[test]
    fn slow_is_known_after_its_time_and_forgotten_when_it_is_over() {
        let mut pace = Pace::new();
        run(&mut pace, 0, 9_750, 0);
        assert!(!pace.is_slow(), "too early to say");
        run(&mut pace, 9_750, 10_000, 0);
        assert!(pace.is_slow());
        run(&mut pace, 10_000, 22_000, 300);
        assert!(!pace.is_slow(), "what was before does not count any more");
        run(&mut pace, 22_000, 40_000, 1);
        assert!(pace.is_slow(), "a drip is not enough");
    }

    #[test]
    fn a_pause_within_the_time_is_none() {
        let mut pace = Pace::new();
        run(&mut pace, 0, 10_000, 1000);
        run(&mut pace, 10_000, 16_000, 0);
        assert!(!pace.is_slow());
    }

    #[test]
    fn without_a_least_rate_nothing_is_slow() {
        let mut pace = Pace::new();
        pace.measure(1 << 40, &Rules { least_rate: 0, ..rules() });
        assert!(!pace.is_slow());
    }

    proptest! {
        #[test]
        fn a_steady_rate_is_judged_by_the_least_one(
            steps in prop::collection::vec(1_u64..3000, 1..200), rate in 0_u64..3000,
        ) {
            let mut pace = Pace::new();
            let mut now = 0;
            for step in steps {
                now += step;
                pace.add(rate * step);
                // a rate of 1000 a millisecond, so that nothing is rounded
                let rules = Rules { least_rate: 1_000_000, ..rules() };
                pace.measure(now, &rules);
                prop_assert_eq!(pace.is_slow(), now >= rules.least_rate_over_ms && rate < 1000);
                prop_assert!(pace.marks.len() <= 2 * usize::try_from(STEPS).unwrap());
            }
        }
    }
}
