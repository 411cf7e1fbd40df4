//! What is done to nodes and looked for in them again and again.

use crate::Node;
use std::path::PathBuf;

/// Pairs `second` with `first` by ticket.
///
/// # Errors
/// What the program said.
pub fn pair(first: &Node, second: &Node) -> anyhow::Result<()> {
    let ticket = first.bib(&["invite", "-q"])?.ok()?.stdout;
    second.bib(&["join", ticket.trim()])?.ok()?;
    Ok(())
}

/// Whether `node` has every chunk of the latest version of `dataset`.
#[must_use]
pub fn has(node: &Node, dataset: &str) -> bool {
    node.json(&["dataset", "get", dataset]).is_ok_and(|answer| answer["version"]["complete"] == true)
}

/// Every chunk file in a node's store, in the order of their names.
#[must_use]
pub fn chunk_files(node: &Node) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![node.data_dir().join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                if name != "tmp" && name != "quarantine" {
                    folders.push(path);
                }
            } else if name.len() == 64 {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
