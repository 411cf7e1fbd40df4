//! Bytes and files for the tests, the same in every run.

use bib_node_tests::Node;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes that no compression and no deduplication makes fewer: xorshift64*.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    out.truncate(bytes);
    out
}

/// Writes a file into `folder`.
pub(crate) fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    path
}

/// The example data of the repository.
pub(crate) fn example(name: &str) -> PathBuf {
    super::tree::root().join("examples/data").join(name)
}

/// Uploads and answers the version.
pub(crate) fn upload(node: &Node, path: &Path, topic: &str, name: &str) -> Value {
    node.json(&["dataset", "upload", path.to_str().unwrap(), "--topic", topic, "--name", name]).unwrap()
}
