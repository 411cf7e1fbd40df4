//! Rules of the tree that no compiler checks.

use super::tree::{crates, root, sources, templates};
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

/// The pages and the command line are clients of the node: what they could name of it, they could call past its gate.
#[test]
fn clients_name_no_part_of_the_node() {
    let mut checked = 0;
    for (name, manifest) in crates().into_iter().filter(|(name, _)| ["bib-cli", "bib-web"].contains(&name.as_str())) {
        checked += 1;
        let named = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        let ours: Vec<&str> = named.filter(|word| word.starts_with("bib-")).collect();
        assert!(ours.contains(&"bib-proto"), "{name} names {ours:?}");
        let more: Vec<_> = ours.into_iter().filter(|word| !["bib-domain", "bib-proto"].contains(word)).collect();
        assert!(more.is_empty(), "{name} names {more:?}");
    }
    assert_eq!(checked, 2, "a client is gone");
}

/// What the content security policy would not run does not stand in a template, and htmx is told nothing that it would have
/// to evaluate.
#[test]
fn templates_run_nothing() {
    for (path, text) in templates() {
        let fault = runs(&text);
        assert!(fault.is_none(), "{} has {}", path.display(), fault.unwrap_or_default());
    }
    for text in [
        "<p hx-on:click=\"x()\">",
        "<p hx-vals='js:{a: 1}'>",
        "<p hx-get=\"/\" hx-trigger=\"click[ctrlKey]\">",
        "<script>x()</script>",
        "<style>p {}</style>",
        "<p style=\"color: red\">",
        "<p onclick=\"x()\">",
        "<a href=\"javascript:x()\">",
    ] {
        assert!(runs(text).is_some(), "{text} is taken for tidy");
    }
}

/// What of a template would have to be run or evaluated.
fn runs(text: &str) -> Option<String> {
    if let Some(found) =
        ["hx-on", "js:", "javascript:", "<style", " style="].into_iter().find(|word| text.contains(word))
    {
        return Some(found.to_owned());
    }
    let inline = |rest: &&str| !(rest.starts_with(" src=") && rest.contains("></script>"));
    if let Some(found) = text.split("<script").skip(1).find(inline) {
        return Some(format!("<script{}", found.lines().next().unwrap_or_default()));
    }
    let mut triggers = text.split("hx-trigger=\"").skip(1).filter_map(|rest| rest.split('"').next());
    if let Some(found) = triggers.find(|value| value.contains('[')) {
        return Some(format!("hx-trigger={found}"));
    }
    let handler = |attribute: &&str| {
        let letters = attribute.bytes().take_while(u8::is_ascii_lowercase).count();
        letters > 0 && attribute[letters..].starts_with('=')
    };
    text.split(" on").skip(1).find(handler).map(|found| format!("on{}", found.lines().next().unwrap_or_default()))
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
