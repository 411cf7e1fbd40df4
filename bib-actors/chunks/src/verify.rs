//! Reads a whole version again: every chunk against its name and, unless the version was seen to agree with itself,
//! every file against the hash in the manifest.
//!
//! A few threads read and hash chunks ahead, each chunk once; the caller's thread hashes whole files in their order, for
//! which it needs the bytes of a chunk as often as files do. What is damaged is listed by file; the rest is read all the
//! same.

use crate::ahead::{Ahead, Sound};
use crate::manifest::{ChunkRef, EntryKind, SignedManifest};
use crate::{ChunkStore, VerifyOptions};
use bib_domain::agreement::Depth;
use bib_domain::{ChunkHash, ContentHash};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

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
    /// What was hashed.
    pub depth: Depth,
    /// Files that are right: each of their chunks and, where files were hashed, their content.
    pub files: u64,
    /// Distinct chunks that were hashed and are right.
    pub chunks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// What is wrong, file by file.
    pub damage: Vec<Damage>,
    /// Findings beyond those listed.
    pub more_damage: u64,
    /// Files of which all chunks are right and the content is not, among all findings.
    pub mismatches: u64,
}

impl VerifyReport {
    /// Whether everything is as its publisher signed it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.signature_ok && self.damage.is_empty() && self.more_damage == 0
    }
}

/// Verifies a version with the default options: its chunks and the content of its files.
pub fn verify_version(store: &ChunkStore, version: &SignedManifest, progress: impl FnMut(Progress)) -> VerifyReport {
    verify_version_with(store, version, Depth::Contents, &VerifyOptions::default(), progress)
}

/// Verifies a version. `progress` is called after each piece.
pub fn verify_version_with(
    store: &ChunkStore,
    version: &SignedManifest,
    depth: Depth,
    options: &VerifyOptions,
    progress: impl FnMut(Progress),
) -> VerifyReport {
    let manifest = version.manifest();
    std::thread::scope(|scope| match depth {
        Depth::Contents => {
            let wanted = manifest.entries.iter().flat_map(crate::Entry::segments).map(|segment| segment.chunk);
            let mut ahead = Ahead::start(scope, store, version, wanted, depth, options);
            walk(version, depth, options, progress, |index| in_turn(&mut ahead, &manifest.chunks, index))
        }
        Depth::Chunks => {
            let wanted = 0..u32::try_from(manifest.chunks.len()).unwrap_or(u32::MAX);
            let mut once = Once {
                ahead: Ahead::start(scope, store, version, wanted, depth, options),
                next: 0,
                hurt: HashMap::new(),
                details: options.findings,
            };
            walk(version, depth, options, progress, |index| once.get(&manifest.chunks, index))
        }
    })
}

/// What one piece of a file finds: the bytes of its chunk, if files are hashed, or what is wrong with it.
type Found = Result<Option<Bytes>, (DamageKind, String)>;

/// The chunk that comes next from those that are read ahead.
fn in_turn<I: Iterator<Item = u32>>(ahead: &mut Ahead<I>, chunks: &[ChunkRef], index: u32) -> Found {
    let expected = chunks[index as usize].len;
    match ahead.get(index) {
        Ok(sound) if sound.len() != u64::from(expected) => {
            let detail = format!("the chunk has {} bytes, the manifest says {expected}", sound.len());
            Err((DamageKind::WrongLength, detail))
        }
        Ok(Sound::Bytes(bytes)) => Ok(Some(bytes.clone())),
        Ok(Sound::Length(_)) => Ok(None),
        Err(wrong) => Err(wrong.clone()),
    }
}

/// Chunks that are looked at once, in the order in which the manifest lists them: that of their first use.
struct Once<I: Iterator<Item = u32>> {
    ahead: Ahead<I>,
    /// The first that was not looked at yet.
    next: u32,
    /// What was wrong with those before it.
    hurt: HashMap<u32, (DamageKind, String)>,
    /// How many descriptions are kept: as many as are listed at most.
    details: usize,
}

impl<I: Iterator<Item = u32>> Once<I> {
    fn get(&mut self, chunks: &[ChunkRef], index: u32) -> Found {
        while self.next <= index {
            if let Err((kind, mut detail)) = in_turn(&mut self.ahead, chunks, self.next) {
                if self.hurt.len() >= self.details {
                    detail = String::new();
                }
                self.hurt.insert(self.next, (kind, detail));
            }
            self.next += 1;
        }
        self.hurt.get(&index).map_or(Ok(None), |wrong| Err(wrong.clone()))
    }
}

/// Goes through the files in their order.
fn walk(
    version: &SignedManifest,
    depth: Depth,
    options: &VerifyOptions,
    mut progress: impl FnMut(Progress),
    mut get: impl FnMut(u32) -> Found,
) -> VerifyReport {
    let manifest = version.manifest();
    let report = VerifyReport {
        signature_ok: version.verify(),
        depth,
        files: 0,
        chunks: 0,
        bytes: 0,
        damage: Vec::new(),
        more_damage: 0,
        mismatches: 0,
    };
    let mut state = State { options, report, sound: HashSet::new(), corrupt: HashSet::new() };
    let mut now = Progress { files: 0, bytes: 0, total_bytes: manifest.file_bytes() };
    for entry in &manifest.entries {
        let EntryKind::File { content, segments, .. } = &entry.kind else { continue };
        let (mut hasher, mut whole) = (Sha256::new(), true);
        for segment in segments {
            let chunk = manifest.chunks[segment.chunk as usize];
            match get(segment.chunk) {
                Ok(bytes) => {
                    state.sound(segment.chunk, chunk);
                    if let (Some(bytes), true) = (bytes, whole) {
                        hasher.update(&bytes[segment.offset as usize..(segment.offset + segment.len) as usize]);
                    }
                }
                Err((kind, detail)) => {
                    whole = false;
                    state.damaged(&entry.path, Some(chunk.hash), kind, detail);
                }
            }
            now.bytes += u64::from(segment.len);
            progress(now);
        }
        now.files += 1;
        if whole {
            let hashed = (depth == Depth::Contents).then(|| ContentHash::from_bytes(hasher.finalize().into()));
            state.whole(&entry.path, *content, hashed);
        }
    }
    progress(now);
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
    fn sound(&mut self, index: u32, chunk: ChunkRef) {
        if self.sound.insert(index) {
            self.report.chunks += 1;
            self.report.bytes += u64::from(chunk.len);
        }
    }

    /// A file of which all chunks are right; `hashed` is its content, if that was hashed.
    fn whole(&mut self, path: &str, promised: ContentHash, hashed: Option<ContentHash>) {
        match hashed {
            Some(found) if found != promised => {
                let detail = format!(
                    "the content hashes to {found}, the manifest says {promised}; its publisher signed a wrong hash"
                );
                self.report.mismatches += 1;
                self.damaged(path, None, DamageKind::ContentMismatch, detail);
            }
            _ => self.report.files += 1,
        }
    }

    fn damaged(&mut self, path: &str, chunk: Option<ChunkHash>, mut kind: DamageKind, mut detail: String) {
        match (kind, chunk) {
            (DamageKind::Corrupt, Some(chunk)) if self.corrupt.insert(chunk) => {}
            (DamageKind::Corrupt | DamageKind::Missing, Some(chunk)) if self.corrupt.contains(&chunk) => {
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
