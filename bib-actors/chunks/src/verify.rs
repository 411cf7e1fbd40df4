//! Reads a whole version again: every chunk against its name, every file against the hash in the manifest.
//!
//! A few threads read and hash chunks ahead; the caller's thread hashes whole files in their order. What is damaged
//! is listed by file; the rest is read all the same.

use crate::manifest::{EntryKind, SignedManifest};
use crate::{ChunkError, ChunkStore, VerifyOptions};
use bib_domain::{ChunkHash, ContentHash};
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

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
    let mut state = State { options, report, sound: HashSet::new() };
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
}

impl State<'_> {
    fn damaged(&mut self, path: &str, chunk: Option<ChunkHash>, kind: DamageKind, detail: String) {
        if self.report.damage.len() < self.options.findings {
            self.report.damage.push(Damage { path: path.to_owned(), chunk, kind, detail });
        } else {
            self.report.more_damage += 1;
        }
    }
}

type Outcome = Result<Bytes, (DamageKind, String)>;
type Job = (ChunkHash, SyncSender<Outcome>);

/// Chunks that are being read before they are needed, in the order of need; neighbours that are the same, once.
struct Ahead<I: Iterator<Item = u32>> {
    wanted: std::iter::Peekable<I>,
    names: Vec<ChunkHash>,
    jobs: SyncSender<Job>,
    coming: VecDeque<(u32, Receiver<Outcome>)>,
    window: usize,
    present: Option<(u32, Outcome)>,
}

impl<I: Iterator<Item = u32>> Ahead<I> {
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        store: &ChunkStore,
        version: &SignedManifest,
        wanted: I,
        options: &VerifyOptions,
    ) -> Self {
        let window = options.ahead.max(1);
        let (jobs, queue) = sync_channel::<Job>(window);
        let queue = std::sync::Arc::new(Mutex::new(queue));
        for _ in 0..options.threads.max(1) {
            let (store, queue) = (store.clone(), std::sync::Arc::clone(&queue));
            scope.spawn(move || {
                loop {
                    let next = queue.lock().recv();
                    let Ok((hash, reply)) = next else { return };
                    let _ = reply.send(store.read(&hash).map_err(|error| (kind_of(&error), error.to_string())));
                }
            });
        }
        let names = version.manifest().chunks.iter().map(|chunk| chunk.hash).collect();
        Self { wanted: wanted.peekable(), names, jobs, coming: VecDeque::new(), window, present: None }
    }

    /// The chunk with this index, which is the present one or the next that was wanted.
    fn get(&mut self, index: u32) -> &Outcome {
        if self.present.as_ref().is_none_or(|(present, _)| *present != index) {
            self.request();
            let lost = || Err((DamageKind::Unreadable, "the thread that reads chunks died".to_owned()));
            let next = self.coming.pop_front().map_or_else(lost, |(_, reply)| reply.recv().unwrap_or_else(|_| lost()));
            self.present = Some((index, next));
        }
        &self.present.as_ref().expect("it was just put there").1
    }

    fn request(&mut self) {
        while self.coming.len() < self.window {
            let Some(index) = self.wanted.next() else { return };
            while self.wanted.next_if_eq(&index).is_some() {}
            let (reply, outcome) = sync_channel(1);
            if self.jobs.send((self.names[index as usize], reply)).is_err() {
                return;
            }
            self.coming.push_back((index, outcome));
        }
    }
}

fn kind_of(error: &ChunkError) -> DamageKind {
    match error {
        ChunkError::Missing { .. } => DamageKind::Missing,
        ChunkError::Corrupt { .. } => DamageKind::Corrupt,
        _ => DamageKind::Unreadable,
    }
}
