//! Which of the versions that peers offer may be the one that was asked for, and in which order they are tried.
//!
//! What peers say is no evidence: it only says what to look at. Whether somebody has the manifest of a version is found
//! out by the caller, and a version of which nobody has it counts for nothing.

use crate::VersionId;

/// An id prefix that is all digits is taken for a number, unless it has this many.
pub const DIGITS_OF_A_PREFIX: usize = 4;

/// A version as a peer tells of it; a later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// Its number.
    pub number: u64,
    /// When it was made.
    pub created_ms: i64,
    /// Its id.
    pub version: VersionId,
}

/// Whether a version may be meant by a selector: any by an empty one, else those with this number, or whose id begins
/// so. What the catalogue of a node answers to a selector, fits it.
#[must_use]
pub fn fits(selector: &str, told: &Told) -> bool {
    if selector.is_empty() {
        return true;
    }
    let all_digits = selector.bytes().all(|c| c.is_ascii_digit());
    let number = selector.parse::<i64>().ok().filter(|number| all_digits && *number > 0);
    match number.and_then(|number| u64::try_from(number).ok()) {
        Some(number) if told.number == number => true,
        Some(_) if selector.len() < DIGITS_OF_A_PREFIX => false,
        _ => {
            let digits = selector.strip_prefix("sha256:").unwrap_or(selector);
            !digits.is_empty() && told.version.to_hex().starts_with(&digits.to_ascii_lowercase())
        }
    }
}

/// The different versions that may be meant, the latest first.
#[must_use]
pub fn in_order(selector: &str, told: impl IntoIterator<Item = Told>) -> Vec<Told> {
    let mut fitting: Vec<Told> = told.into_iter().filter(|told| fits(selector, told)).collect();
    fitting.sort_unstable_by(|a, b| b.cmp(a));
    fitting.dedup();
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(number: u64, first: u8) -> Told {
        let mut id = [0; 32];
        id[0] = first;
        Told { number, created_ms: 1, version: VersionId::from_bytes(id) }
    }

    #[test]
    fn selectors_are_numbers_or_beginnings_of_ids() {
        let version = told(3, 0xab);
        for selector in ["", "3", "ab", "AB", "sha256:ab0", &version.version.to_hex(), &version.version.to_string()] {
            assert!(fits(selector, &version), "{selector:?}");
        }
        for selector in ["4", "b", "sha256:", "-3", "+3", " 3", "é", &"a".repeat(65), "99999999999999999999"] {
            assert!(!fits(selector, &version), "{selector:?}");
        }
        assert!(!fits("12", &told(3, 0x12)), "so short it is a number");
        assert!(fits("1200", &told(3, 0x12)) && fits("1200", &told(1200, 0xab)));
    }

    #[test]
    fn the_latest_comes_first_and_each_once() {
        let all = [told(1, 5), told(u64::MAX, 1), told(2, 3), told(1, 5), told(2, 4)];
        assert_eq!(in_order("", all), [told(u64::MAX, 1), told(2, 4), told(2, 3), told(1, 5)]);
        assert_eq!(in_order("2", all), [told(2, 4), told(2, 3)]);
        assert_eq!(in_order("0500", all), [told(1, 5)]);
    }

    proptest! {
        #[test]
        fn a_bogus_answer_takes_nothing_away(
            honest in prop::collection::vec((1_u64..9, any::<u8>()), 0..20), bogus in any::<[u8; 32]>(), number in 1_u64..9
        ) {
            let honest: Vec<Told> = honest.into_iter().map(|(number, first)| told(number, first)).collect();
            let bogus = Told { number: u64::MAX, created_ms: i64::MAX, version: VersionId::from_bytes(bogus) };
            let with = || honest.iter().copied().chain([bogus]);
            let mut expected = in_order("", honest.iter().copied());
            prop_assert_eq!(in_order(&number.to_string(), with()), in_order(&number.to_string(), honest.iter().copied()));
            expected.insert(0, bogus);
            prop_assert_eq!(in_order("", with()), expected);
        }
    }
}
