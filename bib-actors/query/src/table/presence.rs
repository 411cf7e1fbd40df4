//! How much of a table is in the store. Looks at names only; reads nothing.

use std::sync::Arc;

use super::fault::ReadFault;
use super::file::ChunkFile;
use super::reads::Reads;

/// Bytes of the chunks of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// All of them.
    pub bytes: u64,
    /// Those that are in the store.
    pub bytes_here: u64,
}

/// Looks for the chunks of `files`, which are at least one.
pub(crate) async fn presence(reads: &Reads, files: Vec<Arc<ChunkFile>>) -> Result<Presence, ReadFault> {
    let store = reads.store().clone();
    let path = files.first().map(|file| file.path.clone()).unwrap_or_default();
    let look = move || {
        let mut found = Presence { bytes: 0, bytes_here: 0 };
        for file in files {
            for chunk in file.chunks(std::iter::once(&(0..file.size))) {
                found.bytes += u64::from(chunk.len);
                if store.contains(&chunk.hash) {
                    found.bytes_here += u64::from(chunk.len);
                }
            }
        }
        Ok(found)
    };
    reads.run(&path, look).await
}
