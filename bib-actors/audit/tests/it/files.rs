//! Segment files taken apart and put together again, as somebody would who changes the log and knows its format.

use bib_audit::AuditRecord;
use bib_audit::format::leaf_hash;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// A segment file in parts: its header, and each block's records.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) header: Vec<u8>,
    pub(crate) blocks: Vec<Vec<Vec<u8>>>,
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// The segment files of a log, oldest first.
pub(crate) fn paths(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "audit")).collect();
    paths.sort();
    paths
}

/// Takes all segments of a log apart.
pub(crate) fn load(dir: &Path) -> Vec<Segment> {
    paths(dir).into_iter().map(Segment::load).collect()
}

impl Segment {
    pub(crate) fn load(path: PathBuf) -> Self {
        let bytes = std::fs::read(&path).unwrap();
        let mut at = 10 + number(&bytes[8..10]) + 32;
        let header = bytes[..at].to_vec();
        let mut blocks = Vec::new();
        while at < bytes.len() {
            let payload = number(&bytes[at + 16..at + 20]);
            let mut rest = &bytes[at + 20..at + 20 + payload];
            let mut records = Vec::new();
            while !rest.is_empty() {
                let len = number(&rest[..2]);
                records.push(rest[2..2 + len].to_vec());
                rest = &rest[2 + len..];
            }
            blocks.push(records);
            at += 20 + payload + 40;
        }
        Self { path, header, blocks }
    }

    /// Writes the segment with frames that fit what is in it.
    pub(crate) fn store(&self) {
        let mut bytes = self.header.clone();
        for records in &self.blocks {
            bytes.extend_from_slice(&block(records));
        }
        std::fs::write(&self.path, bytes).unwrap();
    }

    /// Replaces the header's array by one that was changed, with the right checksum.
    pub(crate) fn change_header(&mut self, change: impl FnOnce(&mut [u8])) {
        let end = self.header.len() - 32;
        change(&mut self.header[10..end]);
        let sum = Sha256::digest(&self.header[10..end]);
        self.header[end..].copy_from_slice(&sum);
    }
}

/// A block of these records, framed as the writer would.
pub(crate) fn block(records: &[Vec<u8>]) -> Vec<u8> {
    let first = records.first().and_then(|bytes| AuditRecord::decode(bytes).ok()).map_or(1, |record| record.seq);
    let payload: usize = records.iter().map(|record| record.len() + 2).sum();
    let mut bytes = vec![0xff, b'B', b'A', 1];
    bytes.extend_from_slice(&u32::try_from(records.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&u32::try_from(payload).unwrap().to_be_bytes());
    for record in records {
        bytes.extend_from_slice(&u16::try_from(record.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(record);
    }
    bytes.extend_from_slice(&records.last().map_or([0; 32], |record| leaf_hash(record)));
    let whole = u32::try_from(bytes.len() + 8).unwrap();
    bytes.extend_from_slice(&whole.to_be_bytes());
    bytes.extend_from_slice(&[0xff, b'E', b'A', 1]);
    bytes
}

/// The same record with something changed, canonical as ever.
pub(crate) fn edit(record: &[u8], change: impl FnOnce(&mut AuditRecord)) -> Vec<u8> {
    let mut record = AuditRecord::decode(record).unwrap();
    change(&mut record);
    record.encode()
}
