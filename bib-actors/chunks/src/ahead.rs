//! Reads chunks before they are needed, a few at a time, and hands them out in the order of need.

use crate::check::Checker;
use crate::manifest::SignedManifest;
use crate::verify::DamageKind;
use crate::{ChunkError, ChunkStore, VerifyOptions};
use bib_domain::ChunkHash;
use bib_domain::agreement::Depth;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

/// What is known of a chunk that matched its name.
pub(crate) enum Sound {
    /// Its bytes, for who hashes files of them.
    Bytes(Bytes),
    /// How many they are.
    Length(u64),
}

impl Sound {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Length(length) => *length,
        }
    }
}

/// A chunk that matched its name, or why it did not.
pub(crate) type Outcome = Result<Sound, (DamageKind, String)>;
type Job = (ChunkHash, SyncSender<Outcome>);

/// Chunks that are being read before they are needed, in the order of need; neighbours that are the same, once.
pub(crate) struct Ahead<I: Iterator<Item = u32>> {
    wanted: std::iter::Peekable<I>,
    names: Vec<ChunkHash>,
    jobs: SyncSender<Job>,
    coming: VecDeque<(u32, Receiver<Outcome>)>,
    window: usize,
    present: Option<(u32, Outcome)>,
    /// Where the system is asked to read what comes soon: there the caller's thread has nothing else to do.
    soon: Option<ChunkStore>,
}

impl<I: Iterator<Item = u32>> Ahead<I> {
    pub(crate) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        store: &ChunkStore,
        version: &SignedManifest,
        wanted: I,
        depth: Depth,
        options: &VerifyOptions,
    ) -> Self {
        let threads = options.threads.max(1);
        // fewer would leave a thread without work
        let window = options.ahead.max(threads);
        let (jobs, queue) = sync_channel::<Job>(window);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let (store, queue) = (store.clone(), Arc::clone(&queue));
            scope.spawn(move || {
                let mut checker = (depth == Depth::Chunks).then(|| Checker::new(store.clone()));
                loop {
                    let next = queue.lock().recv();
                    let Ok((hash, reply)) = next else { return };
                    let read = match &mut checker {
                        Some(checker) => checker.check(&hash).map(Sound::Length),
                        None => store.read(&hash).map(Sound::Bytes),
                    };
                    let _ = reply.send(read.map_err(|error| (kind_of(&error), error.to_string())));
                }
            });
        }
        let names = version.manifest().chunks.iter().map(|chunk| chunk.hash).collect();
        let soon = (depth == Depth::Chunks).then(|| store.clone());
        Self { wanted: wanted.peekable(), names, jobs, coming: VecDeque::new(), window, present: None, soon }
    }

    /// The chunk with this index, which is the present one or the next that was wanted.
    pub(crate) fn get(&mut self, index: u32) -> &Outcome {
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
            let name = self.names[index as usize];
            if let Some(store) = &self.soon {
                store.read_soon(&name);
            }
            let (reply, outcome) = sync_channel(1);
            if self.jobs.send((name, reply)).is_err() {
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
