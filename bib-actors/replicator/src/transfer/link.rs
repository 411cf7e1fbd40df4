//! A peer of one transfer: its data streams, and which chunks each of them owes.

use super::Up;
use super::keeper::Piece;
use super::stream::DataStream;
use super::verified::VerifiedChunks;
use crate::shared::Shared;
use bib_chunks::{Buffers, ChunkRef};
use bib_domain::NodeId;
use bib_kit::Tasks;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc;

/// What the streams of a transfer share.
#[derive(Clone)]
pub(crate) struct Wiring {
    pub(crate) shared: Arc<Shared>,
    pub(crate) chunks: Arc<[ChunkRef]>,
    pub(crate) verified: Arc<VerifiedChunks>,
    /// The peers that say that they have the version whole; `None` if all do.
    pub(crate) holders: Option<Arc<BTreeSet<NodeId>>>,
    pub(crate) buffers: Buffers,
    pub(crate) up: mpsc::Sender<Up>,
    pub(crate) keep: mpsc::Sender<Piece>,
}

/// One data stream as its link sees it.
struct Line {
    asks: Option<mpsc::Sender<u32>>,
    open: bool,
    owed: Vec<u32>,
    failures: u32,
}

/// A peer of one transfer.
pub(crate) struct Link {
    peer: NodeId,
    lines: Vec<Line>,
    received: Arc<AtomicU64>,
    reported: u64,
    tasks: Tasks,
}

impl Link {
    /// Begins to open `streams` streams to the peer.
    pub(crate) fn open(wiring: &Wiring, peer: &NodeId, streams: usize) -> Self {
        let tasks = wiring.shared.args.tasks(streams * 2);
        let lines = (0..streams).map(|_| Line { asks: None, open: false, owed: Vec::new(), failures: 0 }).collect();
        let mut link = Self { peer: peer.clone(), lines, received: Arc::default(), reported: 0, tasks };
        for stream in 0..streams {
            link.start(wiring, stream, Duration::ZERO);
        }
        link
    }

    fn start(&mut self, wiring: &Wiring, stream: usize, pause: Duration) {
        let Some(line) = self.lines.get_mut(stream) else { return };
        let (asks, receiver) = mpsc::channel(wiring.shared.options.transfer.window_chunks.max(1));
        let data = DataStream {
            shared: Arc::clone(&wiring.shared),
            peer: self.peer.clone(),
            stream,
            claims: wiring.holders.as_ref().is_none_or(|holders| holders.contains(&self.peer)),
            chunks: Arc::clone(&wiring.chunks),
            verified: Arc::clone(&wiring.verified),
            buffers: wiring.buffers.clone(),
            received: Arc::clone(&self.received),
            up: wiring.up.clone(),
            keep: wiring.keep.clone(),
        };
        match self.tasks.spawn("data stream", data.run(pause, receiver)) {
            Ok(()) => line.asks = Some(asks),
            Err(error) => tracing::warn!(%error, peer = %self.peer, "a data stream was not started"),
        }
    }

    /// A stream is open.
    pub(crate) fn opened(&mut self, stream: usize) {
        if let Some(line) = self.lines.get_mut(stream) {
            line.open = true;
            line.failures = 0;
        }
    }

    /// Whether any stream is open.
    pub(crate) fn is_open(&self) -> bool {
        self.lines.iter().any(|line| line.open)
    }

    /// Whether any stream is open or being opened.
    pub(crate) fn is_alive(&self) -> bool {
        self.lines.iter().any(|line| line.asks.is_some())
    }

    /// Asks for a chunk on the stream that owes least. False if none takes it.
    pub(crate) fn ask(&mut self, chunk: u32) -> bool {
        let open = self.lines.iter_mut().filter(|line| line.open);
        let Some(line) = open.min_by_key(|line| line.owed.len()) else { return false };
        let taken = line.asks.as_ref().is_some_and(|asks| asks.try_send(chunk).is_ok());
        if taken {
            line.owed.push(chunk);
        }
        taken
    }

    /// A chunk is not owed any more by a stream.
    pub(crate) fn settled(&mut self, stream: usize, chunk: u32) {
        if let Some(line) = self.lines.get_mut(stream)
            && let Some(at) = line.owed.iter().position(|&other| other == chunk)
        {
            line.owed.remove(at);
        }
    }

    /// A stream has ended: what it owed comes back, and it is opened again after a while, unless it failed too often.
    pub(crate) fn closed(&mut self, wiring: &Wiring, stream: usize) -> Vec<u32> {
        let Some(line) = self.lines.get_mut(stream) else { return Vec::new() };
        line.asks = None;
        line.open = false;
        line.failures += 1;
        let (failures, owed) = (line.failures, std::mem::take(&mut line.owed));
        if failures <= wiring.shared.options.transfer.failure_limit {
            let pause = wiring.shared.options.reopen_after.saturating_mul(failures);
            self.start(wiring, stream, pause);
        }
        owed
    }

    /// Bytes received since the last call.
    pub(crate) fn progress(&mut self) -> u64 {
        let received = self.received.load(Relaxed);
        let since = received.saturating_sub(self.reported);
        self.reported = received;
        since
    }
}
