//! Damaged chunks: hearing of them, fetching good copies, telling who waits for that.

use super::{Driver, Note};
use crate::fetch;
use bib_audit::{AuditDraft, Outcome};
use bib_domain::{ChunkHash, NodeId, Who};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Somebody who waits until chunks were tried to be fetched.
pub(super) struct Waiter {
    chunks: BTreeSet<ChunkHash>,
    /// Rounds of repair that must end first: one that runs already does not know of these chunks.
    rounds: u8,
    reply: oneshot::Sender<usize>,
}

impl Driver {
    /// Chunks that are in quarantine since an earlier life, and were not mended in it.
    pub(super) async fn remember_quarantine(&mut self) {
        let store = self.shared.chunks.clone();
        match self.shared.blocking.run(move || store.lost_to_quarantine()).await {
            Ok(Ok(lost)) => self.add_damaged(lost),
            Ok(Err(error)) => tracing::warn!(%error, "the quarantine could not be looked at"),
            Err(error) => tracing::warn!(%error, "the quarantine could not be looked at"),
        }
    }

    /// Takes note of what readers found damaged, records it, and begins to mend it.
    pub(super) fn hear_of_damage(&mut self) {
        let hurt = self.shared.chunks.take_hurt(self.room());
        if hurt.is_empty() {
            return;
        }
        self.add_damaged(hurt.iter().map(|(hash, _)| *hash));
        let shared = Arc::clone(&self.shared);
        self.shared.spawn("record damage", async move {
            for (hash, why) in hurt {
                let op = shared.op(Who::Node);
                let draft = AuditDraft::from_op(&op, "chunk.damaged", hash.to_string()).outcome(Outcome::Failed);
                if let Err(error) = shared.audit.append_buffered(draft.metadata("reason", why)).await {
                    tracing::warn!(%error, chunk = %hash, "a damaged chunk was not recorded in the audit log");
                }
            }
        });
        self.repair();
    }

    fn room(&self) -> usize {
        self.shared.options.damaged_chunks.saturating_sub(self.damaged.len())
    }

    pub(super) fn add_damaged(&mut self, chunks: impl IntoIterator<Item = ChunkHash>) {
        let room = self.room();
        self.damaged.extend(chunks.into_iter().take(room));
    }

    /// Mends chunks for somebody who waits. The answer is how many of them are still damaged or missing.
    pub(super) fn heal(&mut self, chunks: Vec<ChunkHash>, reply: oneshot::Sender<usize>) {
        let rounds = if self.repairing { 2 } else { 1 };
        self.add_damaged(chunks.iter().copied());
        self.healing.push(Waiter { chunks: chunks.into_iter().collect(), rounds, reply });
        self.repair();
        if !self.repairing {
            self.round_ended();
        }
    }

    /// Fetches good copies of damaged chunks, unless there are some here by now.
    pub(super) fn repair(&mut self) {
        let peers: Vec<NodeId> = self.peers.keys().filter(|peer| self.usable(peer)).cloned().collect();
        if self.repairing || self.damaged.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let damaged: Vec<ChunkHash> = self.damaged.iter().copied().collect();
        self.repairing = self.shared.spawn("repair", async move {
            let mended = fetch::repair(&shared, &damaged, &peers).await;
            let left = damaged.len() - mended.good.len();
            if left > 0 && !peers.is_empty() {
                tracing::warn!(chunks = left, "no connected peer gave a good copy of some damaged chunks");
            }
            let liar = mended.lie.as_ref().map(|(peer, _)| peer.clone());
            if let Some((peer, reason)) = mended.lie {
                shared.note(Note::Blame { peer, reason }).await;
            }
            shared.note(Note::Repaired { tried: damaged, good: mended.good, liar }).await;
        });
    }

    /// A round of repair ended. Another one begins for chunks that it did not know of, and after a lie: the peers behind
    /// the liar were not asked, so whoever waits goes on waiting.
    pub(super) fn repaired(&mut self, tried: &[ChunkHash], good: &[ChunkHash], liar: Option<&NodeId>) {
        self.repairing = false;
        for chunk in good {
            self.damaged.remove(chunk);
        }
        // one that could not be blamed would be asked for ever
        if liar.is_some_and(|liar| !self.usable(liar)) {
            self.repair();
        }
        if self.repairing {
            // this round knows of all chunks
            self.healing.iter_mut().for_each(|waiter| waiter.rounds = 1);
            return;
        }
        self.round_ended();
        if self.damaged.iter().any(|chunk| tried.binary_search(chunk).is_err()) {
            self.repair();
        }
    }

    fn round_ended(&mut self) {
        for waiter in std::mem::take(&mut self.healing) {
            let left = waiter.chunks.iter().filter(|chunk| self.damaged.contains(chunk)).count();
            if left == 0 || waiter.rounds <= 1 {
                // whoever asked may have gone away
                let _ = waiter.reply.send(left);
            } else {
                self.healing.push(Waiter { rounds: waiter.rounds - 1, ..waiter });
            }
        }
    }
}
