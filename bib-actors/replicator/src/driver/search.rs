//! When all catalogues are read from their beginnings for versions that no connected peer is known to have.
//!
//! A version may wait for a holder that is away for weeks. Who comes for the first time is read whole anyway, and who gets
//! the version later tells; so a search that found nothing is repeated ever more seldom.

use bib_domain::backoff::Backoff;

/// The searches of this life.
#[derive(Debug, Default)]
pub(super) struct Search {
    last_ms: Option<u64>,
    /// How many in a row did not find all that was looked for.
    vain: u32,
}

impl Search {
    /// Whether to search now, given whether something is lacking; then it has begun.
    pub(super) fn is_due(&mut self, lacking: bool, now_ms: u64, pauses: &Backoff, random: u64) -> bool {
        if !lacking {
            self.vain = 0;
            return false;
        }
        // what comes and goes causes no more of them than what is away
        let pause = pauses.delay(self.vain.max(1), random).as_millis();
        let pause = u64::try_from(pause).unwrap_or(u64::MAX);
        let due = self.last_ms.is_none_or(|last| now_ms.saturating_sub(last) >= pause);
        if due {
            self.last_ms = Some(now_ms);
            self.vain = self.vain.saturating_add(1);
        }
        due
    }

    /// Somebody is here for the first time: what was looked for in vain may be had now.
    pub(super) const fn begin_anew(&mut self) {
        (self.last_ms, self.vain) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const PAUSES: Backoff = Backoff { first: Duration::from_secs(2), max: Duration::from_secs(16) };

    /// When searches begin of those that are asked for each second.
    fn searches(search: &mut Search, from_s: u64, to_s: u64) -> Vec<u64> {
        (from_s..to_s).filter(|now| search.is_due(true, now * 1000, &PAUSES, 0)).collect()
    }

    #[test]
    fn are_ever_more_seldom() {
        let mut search = Search::default();
        assert_eq!(searches(&mut search, 0, 40), [0, 1, 3, 7, 15, 23, 31, 39]);
        assert!(searches(&mut search, 40, 46).is_empty());
        search.begin_anew();
        assert_eq!(searches(&mut search, 46, 60), [46, 47, 49, 53]);
    }

    #[test]
    fn begin_anew_when_nothing_was_lacking() {
        let mut search = Search::default();
        searches(&mut search, 0, 40);
        assert!(!search.is_due(false, 39_100, &PAUSES, 0));
        assert!(!search.is_due(true, 39_200, &PAUSES, 0), "too soon after the last one");
        assert_eq!(searches(&mut search, 40, 50), [40, 41, 43, 47]);
    }
}
