//! How long to wait before the next attempt of something that failed.
//!
//! Pure: the caller brings the number of failures and a random number, and gets a duration. Half of the delay is
//! fixed and half is random, so that many nodes that lost the same peer do not come back in step.

use std::time::Duration;

/// An exponential backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The full delay after the first failure.
    pub first: Duration,
    /// The full delay never grows beyond this.
    pub max: Duration,
}

impl Backoff {
    /// The delay after `failures` failures in a row, between a half of the full delay and the whole of it.
    ///
    /// `random` is any random number; its low bits are as good as its high ones.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let doublings = failures.saturating_sub(1).min(u32::BITS - 1);
        let full = self.first.saturating_mul(1_u32 << doublings).min(self.max);
        let half = full / 2;
        let span = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        half.saturating_add(Duration::from_nanos(random % span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: Backoff = Backoff { first: Duration::from_millis(250), max: Duration::from_secs(60) };

    #[test]
    fn doubles_up_to_its_limit() {
        let full = [0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
        for (failures, millis) in (0_u32..).zip(full) {
            let full = Duration::from_millis(millis);
            assert_eq!(POLICY.delay(failures, 0), full / 2, "{failures} failures, shortest");
            if !full.is_zero() {
                let half = u64::try_from((full / 2).as_nanos()).unwrap();
                assert_eq!(POLICY.delay(failures, half), full, "{failures} failures, longest");
            }
        }
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(failures in 1_u32.., random: u64, first in 1_u64..100_000, max in 1_u64..1_000_000) {
            let policy = Backoff { first: Duration::from_millis(first), max: Duration::from_millis(max) };
            let delay = policy.delay(failures, random);
            prop_assert!(delay <= policy.max);
            prop_assert!(delay * 2 >= policy.first.min(policy.max));
        }
    }
}
