//! `ARCHITECTURE.md` is true: what it names is there, and what is there is named.

use super::tree::{crates, root};

fn text() -> String {
    std::fs::read_to_string(root().join("bib-actors/ARCHITECTURE.md")).unwrap()
}

#[test]
fn every_crate_is_in_the_map() {
    let text = text();
    for (name, _) in crates() {
        assert!(text.contains(&format!("`{name}`")), "{name} is not in the map");
    }
}

#[test]
fn every_path_in_the_map_is_there() {
    let text = text();
    let mut checked = 0;
    for quoted in text.split('`').skip(1).step_by(2) {
        let is_path = quoted.contains('/') && quoted.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        if is_path && !quoted.starts_with('/') {
            assert!(root().join(quoted).exists(), "{quoted} is in the map and not in the tree");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} paths in the map");
}
