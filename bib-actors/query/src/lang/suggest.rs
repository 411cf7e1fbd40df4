//! Guesses what a mistyped name was meant to be. Pure.

/// Names that are offered at most: more would be a list to search through, not a suggestion.
const OFFERED: usize = 3;

/// How alike two names must be, on a scale to 1: two letters swapped in a short name still count.
const ALIKE: f64 = 0.7;

/// The known names that look like `wanted`, best first.
pub(crate) fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', ' ', '.'], "");
    let wanted_plain = plain(wanted);
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| {
            let candidate = plain(name);
            let score = if candidate == wanted_plain {
                1.0
            } else {
                let edit = strsim::normalized_damerau_levenshtein(&candidate, &wanted_plain);
                // `delay` for `dep_delay`: a whole word is more than its letters
                let part = wanted_plain.len() >= 3 && candidate.contains(&wanted_plain);
                if part { edit.max(0.8) } else { edit.max(strsim::jaro_winkler(&candidate, &wanted_plain) - 0.15) }
            };
            (score, name)
        })
        .filter(|(score, _)| *score >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.into_iter().take(OFFERED).map(|(_, name)| name.to_owned()).collect()
}

/// `did you mean a, b or c?`, or nothing.
pub(crate) fn did_you_mean(names: &[String]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(format!("did you mean {one}?")),
        [first @ .., last] => Some(format!("did you mean {} or {last}?", first.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLIGHTS: [&str; 8] =
        ["dep_delay", "dep_time", "arr_delay", "origin", "dest", "carrier", "sched_dep_time", "tailnum"];

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(nearest("dep_dely", FLIGHTS)[0], "dep_delay");
        assert_eq!(nearest("depDelay", FLIGHTS)[0], "dep_delay");
        assert_eq!(nearest("orgin", FLIGHTS)[0], "origin");
        assert_eq!(nearest("delay", FLIGHTS), ["arr_delay", "dep_delay"]);
        assert_eq!(nearest("Carrier", FLIGHTS)[0], "carrier");
    }

    #[test]
    fn does_not_guess_wildly() {
        assert!(nearest("temperature", FLIGHTS).is_empty());
        assert!(nearest("x", FLIGHTS).is_empty());
    }
}
