//! A folder of very many small files: taken in, listed, verified, edited, in few chunks and in little memory.

use super::memory::peak_kib;
use super::noise;
use crate::{Lab, Node, NodeSpec, chunk_files};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Bytes of one file.
const FILE: usize = 1024;
/// What one of them has then.
const EDITED: &[u8] = b"edited";
/// Files beside each other.
const FOLDERS: usize = 100;
/// The name of the dataset.
const NAME: &str = "t/many";

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Packed {
    /// Files that were taken in.
    pub files: usize,
    /// Chunks that they are in.
    pub chunks: usize,
    /// Bytes that were new after one file was edited.
    pub new_bytes: u64,
    /// The most memory that the node took, in KiB.
    pub peak_kib: u64,
    /// Whether the checks noticed, at the end, a chunk that was taken away.
    pub notices: bool,
}

/// Takes `files` files in. What is in them follows from the seed.
///
/// # Errors
/// When anything on the way fails.
pub fn many_files(files: usize, seed: u64) -> anyhow::Result<Packed> {
    let lab = Lab::new()?;
    let mut node = lab.node(NodeSpec::full("alone"))?;
    node.start()?;
    node.bib(&["topic", "create", "t"])?.ok()?;
    let folder = lab.path().join("many");
    let paths: BTreeSet<String> = (0..files).map(|number| format!("{:02}/{number:06}.bin", number % FOLDERS)).collect();
    for number in 0..FOLDERS.min(files) {
        std::fs::create_dir_all(folder.join(format!("{number:02}")))?;
    }
    for (number, path) in paths.iter().enumerate() {
        std::fs::write(folder.join(path), noise(seed << 24 | number as u64, FILE))?;
    }
    let put = upload(&node, &folder)?;
    ensure!(put["files"] == files, "{files} files were sent, and {} came in", put["files"]);
    let chunks = chunk_files(&node);
    lists(&node, &paths)?;
    verifies(&node)?;

    // one that others share a chunk with, before it and behind it
    let edited = paths.iter().nth(files / 2).context("a file")?;
    std::fs::write(folder.join(edited), EDITED)?;
    let new_bytes = upload(&node, &folder)?["newBytes"].as_u64().context("the new bytes")?;
    ensure!(new_bytes >= EDITED.len() as u64, "{new_bytes} bytes are new after an edit");
    lists(&node, &paths)?;
    verifies(&node)?;
    let audit = node.json(&["admin", "audit", "verify"])?;
    ensure!(audit["ok"] == true, "the audit log is damaged: {audit}");
    let peak_kib = peak_kib(node.pid().context("the node runs")?)?;
    std::fs::remove_file(chunks.first().context("a chunk")?)?;
    // the first version has all chunks that were there then
    let notices = node.json(&["dataset", "verify", NAME, "--version", "1"]).is_err();
    Ok(Packed { files, chunks: chunks.len(), new_bytes, peak_kib, notices })
}

fn upload(node: &Node, folder: &Path) -> anyhow::Result<Value> {
    let folder = folder.to_str().context("a UTF-8 path")?;
    node.json(&["dataset", "upload", folder, "--topic", "t", "--name", "many"])
}

/// The list of files is that of the folder.
fn lists(node: &Node, paths: &BTreeSet<String>) -> anyhow::Result<()> {
    let answer = node.json(&["dataset", "get", NAME])?;
    let entries = answer["entries"].as_array().context("entries")?;
    let files = entries.iter().filter(|entry| entry["kind"] == "file").filter_map(|entry| entry["path"].as_str());
    let listed: BTreeSet<&str> = files.collect();
    let missing = paths.iter().filter(|path| !listed.contains(path.as_str())).count();
    ensure!(missing == 0 && listed.len() == paths.len(), "{missing} of {} files are not listed", paths.len());
    Ok(())
}

fn verifies(node: &Node) -> anyhow::Result<()> {
    let report = node.json(&["dataset", "verify", NAME])?;
    ensure!(report["ok"] == true, "{NAME} does not verify: {report}");
    Ok(())
}
