//! Reads a whole version again: every chunk against its name, every file against the hash in the manifest.
//!
//! A few threads read and hash chunks ahead; the caller's thread hashes whole files in their order. What is damaged
//! is listed by file; the rest is read all the same.

use crate::ahead::Ahead;
use crate::manifest::{EntryKind, SignedManifest};
use crate::{ChunkStore, VerifyOptions};
use bib_domain::{ChunkHash, ContentHash};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Files that were read.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DamageKind {
    /// A chunk is not in the store.
    Missing,
    /// A chunk is not what its name says. It is in quarantine now.
    Corrupt,
    /// A chunk has another size than the manifest says.
    WrongLength,
    /// All chunks are right, but together they are not the file that the manifest promises.
    ContentMismatch,
    /// The file system failed.
    Unreadable,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file that is hurt.
    pub path: String,
    /// The chunk that hurts it.
    pub chunk: Option<ChunkHash>,
    /// What is wrong.
    pub kind: DamageKind,
    /// For people: what it means and what to do.
    pub detail: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Whether the signature is the publisher's.
    pub signature_ok: bool,
    /// Files whose content was hashed and is right.
    pub files: u64,
    /// Distinct chunks that were hashed and are right.
    pub chunks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// What is wrong, file by file.
    pub damage: Vec<Damage>,
    /// Findings beyond those listed.
    pub more_damage: u64,
}

impl VerifyReport {
    /// Whether everything is as its publisher signed it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.signature_ok && self.damage.is_empty()
    }
}

/// Verifies a version with the default options.
pub fn verify_version(store: &ChunkStore, version: &SignedManifest, progress: impl FnMut(Progress)) -> VerifyReport {
    verify_version_with(store, version, &VerifyOptions::default(), progress)
}

/// Verifies a version. `progress` is called after each piece.
pub fn verify_version_with(
    store: &ChunkStore,
    version: &SignedManifest,
    options: &VerifyOptions,
    mut progress: impl FnMut(Progress),
) -> VerifyReport {
    let manifest = version.manifest();
    let report = VerifyReport {
        signature_ok: version.verify(),
        files: 0,
        chunks: 0,
        bytes: 0,
        damage: Vec::new(),
        more_damage: 0,
    };
    let mut state = State { options, report, sound: HashSet::new(), corrupt: HashSet::new() };
    let mut now = Progress { files: 0, bytes: 0, total_bytes: manifest.file_bytes() };
    std::thread::scope(|scope| {
        let wanted = manifest.entries.iter().flat_map(crate::Entry::segments).map(|segment| segment.chunk);
        let mut ahead = Ahead::start(scope, store, version, wanted, options);
        for entry in &manifest.entries {
            let EntryKind::File { content, segments, .. } = &entry.kind else { continue };
            let mut hasher = Some(Sha256::new());
            for segment in segments {
                let chunk = manifest.chunks[segment.chunk as usize];
                let range = segment.offset as usize..(segment.offset + segment.len) as usize;
                match ahead.get(segment.chunk) {
                    Ok(bytes) if bytes.len() == chunk.len as usize => {
                        if state.sound.insert(segment.chunk) {
                            state.report.chunks += 1;
                            state.report.bytes += u64::from(chunk.len);
                        }
                        if let Some(hasher) = &mut hasher {
                            hasher.update(&bytes[range]);
                        }
                    }
                    Ok(bytes) => {
                        hasher = None;
                        let detail = format!("the chunk has {} bytes, the manifest says {}", bytes.len(), chunk.len);
                        state.damaged(&entry.path, Some(chunk.hash), DamageKind::WrongLength, detail);
                    }
                    Err((kind, detail)) => {
                        hasher = None;
                        state.damaged(&entry.path, Some(chunk.hash), *kind, detail.clone());
                    }
                }
                now.bytes += u64::from(segment.len);
                progress(now);
            }
            now.files += 1;
            if let Some(hasher) = hasher {
                let found = ContentHash::from_bytes(hasher.finalize().into());
                if found == *content {
                    state.report.files += 1;
                } else {
                    let detail = format!(
                        "the content hashes to {found}, the manifest says {content}; its publisher signed a wrong hash"
                    );
                    state.damaged(&entry.path, None, DamageKind::ContentMismatch, detail);
                }
            }
        }
        progress(now);
    });
    state.report
}

struct State<'a> {
    options: &'a VerifyOptions,
    report: VerifyReport,
    sound: HashSet<u32>,
    /// Chunks that were moved to quarantine just now: another file that needs them finds them missing.
    corrupt: HashSet<ChunkHash>,
}

impl State<'_> {
    fn damaged(&mut self, path: &str, chunk: Option<ChunkHash>, mut kind: DamageKind, mut detail: String) {
        match (kind, chunk) {
            (DamageKind::Corrupt, Some(chunk)) => drop(self.corrupt.insert(chunk)),
            (DamageKind::Missing, Some(chunk)) if self.corrupt.contains(&chunk) => {
                kind = DamageKind::Corrupt;
                detail = format!("chunk {chunk} was found damaged for another file; fetch it again from a peer");
            }
            _ => {}
        }
        if self.report.damage.len() < self.options.findings {
            self.report.damage.push(Damage { path: path.to_owned(), chunk, kind, detail });
        } else {
            self.report.more_damage += 1;
        }
    }
}
