//! Rules of the tree that no compiler checks.

use super::tree::{crates, root, sources};
use std::collections::BTreeMap;
use std::path::Path;

/// More lines than this, and a file does two things.
const MOST_LINES: usize = 400;
/// A type whose inherent methods take more lines than this is a main type.
const MAIN_TYPE_LINES: usize = 120;
/// Ranks of DESIGN: an actor asks only actors of a lower one.
const RANKS: [(&str, u8); 5] =
    [("bib-audit", 1), ("bib-guardian", 2), ("bib-swarm", 4), ("bib-replicator", 5), ("bib-gateway", 7)];

#[test]
fn every_file_says_what_it_owns() {
    for (path, text) in sources() {
        assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
    }
}

#[test]
fn files_stay_short() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines: split it", path.display());
    }
}

#[test]
fn one_main_type_a_file() {
    for (path, text) in sources() {
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        let mut inside = None;
        for line in text.lines() {
            if let Some(head) = line.strip_prefix("impl").filter(|_| line.ends_with('{') && !line.contains(" for ")) {
                let after = head.trim_start_matches(|c| c != '>' && head.starts_with('<')).trim_start_matches('>');
                inside = after.trim().split(['<', ' ']).next();
            } else if line.starts_with('}') {
                inside = None;
            } else if let Some(name) = inside {
                *lines.entry(name).or_default() += 1;
            }
        }
        let main: Vec<_> = lines.into_iter().filter(|(_, lines)| *lines > MAIN_TYPE_LINES).collect();
        assert!(main.len() <= 1, "{} has more than one main type: {main:?}", path.display());
    }
}

#[test]
fn no_crate_names_a_higher_rank() {
    let rank_of = |name: &str| RANKS.iter().find(|(known, _)| *known == name).map(|(_, rank)| *rank);
    let mut checked = 0;
    for (name, manifest) in crates() {
        let Some(own) = rank_of(&name) else { continue };
        checked += 1;
        for (other, rank) in RANKS {
            let names = manifest.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(other));
            assert!(!names || rank < own, "{name} (rank {own}) names {other} (rank {rank})");
        }
    }
    assert_eq!(checked, RANKS.len(), "a crate of the table is gone");
}

#[test]
fn the_domain_is_pure() {
    for (name, manifest) in crates().into_iter().filter(|(name, _)| name == "bib-domain") {
        for heavy in ["actix", "tokio", "libp2p", "rusqlite", "tokio-postgres", "tonic", "futures"] {
            let named = manifest.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(heavy));
            assert!(!named, "{name} names {heavy}");
        }
    }
}

#[test]
fn only_the_kit_names_actix() {
    for (path, text) in sources() {
        if path.starts_with(root().join("bib-actors/kit")) || is_this_file(&path) {
            continue;
        }
        for word in ["actix::", "do_send"] {
            assert!(!text.contains(word), "{} names {word}: the kit's handles are for that", path.display());
        }
    }
}

#[test]
fn nothing_is_unbounded_or_unfinished() {
    let words = ["unbounded_channel", "block_in_place", "todo!(", "unimplemented!(", "#[ignore", "FIXME", "TODO"];
    for (path, text) in sources() {
        if is_this_file(&path) {
            continue;
        }
        for word in words {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

fn is_this_file(path: &Path) -> bool {
    path.ends_with("it/tidy.rs")
}
