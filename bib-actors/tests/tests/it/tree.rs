//! The source tree as the tidy tests see it.

use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    package_dir().join("../..").canonicalize().unwrap()
}

/// Every Rust file of ours with its text.
pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let files = walk(&root(), "rs");
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

/// Every crate's name and manifest.
pub(crate) fn crates() -> Vec<(String, String)> {
    let name = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("name = "))?;
        Some(line.split('"').nth(1)?.to_owned())
    };
    walk(&root(), "toml")
        .into_iter()
        .filter(|(path, text)| path.ends_with("Cargo.toml") && text.starts_with("[package]"))
        .filter_map(|(_, text)| Some((name(&text)?, text)))
        .collect()
}

/// Every template of the pages with its text.
pub(crate) fn templates() -> Vec<(PathBuf, String)> {
    let files = walk(&root().join("bib-web/templates"), "html");
    assert!(files.len() > 10, "only {} templates were found", files.len());
    files
}

fn walk(folder: &Path, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && !matches!(name.to_str(), Some("target" | ".git" | "node_modules")) {
            found.extend(walk(&path, ending));
        } else if path.extension().is_some_and(|ext| ext == ending) {
            found.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}
