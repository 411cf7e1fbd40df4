//! Every bound and time of the replicator, with its default. Never reads a file: the composition root fills it in.

use crate::frame::Patience;
use bib_domain::backlog::BacklogRules;
use bib_domain::backoff::Backoff;
use bib_domain::reading::ReadingRules;
use bib_domain::transfer::Rules;
use bib_domain::{NodeId, NodeMode};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// The key from which the secrets of tickets are made, so that a repeated request makes the same ticket. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InviteKey([u8; 32]);

impl InviteKey {
    /// Takes 32 bytes derived from the node's identity for this purpose alone.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for InviteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteKey(..)")
    }
}

/// The replicator's options. [`ReplicatorOptions::new`] fills in what suits a workstation.
#[derive(Debug, Clone)]
pub struct ReplicatorOptions {
    /// This node.
    pub node_id: NodeId,
    /// Its name for people, told to peers.
    pub node_name: String,
    /// What it keeps.
    pub mode: NodeMode,
    /// The key of its tickets.
    pub invite_key: InviteKey,

    /// How often the catalogues of connected peers are read, to repair what an announcement missed.
    pub poll_interval: Duration,
    /// How often they are read again from their beginning, for what a position cannot tell.
    pub full_scan_interval: Duration,
    /// Versions on one page of a catalogue. The guardian's own limit may be smaller.
    pub catalog_page: u32,
    /// When catalogues are read, and how much of one at a time.
    pub reading: ReadingRules,
    /// Topics that the catalogue of one peer may add here within a while, so that it cannot fill the database with names.
    pub new_topics: u32,
    /// That while.
    pub new_topics_within: Duration,
    /// How long to wait before all catalogues are read again from their beginning for versions that no connected peer is
    /// known to have, after so many times in vain.
    pub search: Backoff,
    /// A peer that connects anew within this time of having connected ends no pause of its readings that failed.
    pub steady_after: Duration,
    /// What a peer says about itself is written down once within this time, and at once for the first time.
    pub description_every: Duration,
    /// Versions of which it is remembered that their manifests are to be fetched again.
    pub hurt_manifests: usize,
    /// How long a peer may take to begin an answer, and then for each piece of it.
    pub answer_deadline: Duration,
    /// Bytes in a second that a long answer makes at least over all, beyond that time: a large manifest comes over a slow
    /// line, and nobody drips for ever.
    pub answer_rate: u64,
    /// How long opening a stream may take.
    pub open_deadline: Duration,
    /// The largest frame but a manifest's, in bytes.
    pub frame_bytes: usize,
    /// The largest signed manifest that is taken or given, in bytes.
    pub manifest_bytes: usize,

    /// How long a peer may take to say whether it has a dataset that somebody wants to read.
    pub find_deadline: Duration,
    /// Peers that are asked that at once.
    pub find_at_once: usize,
    /// Such questions to one peer at once; more wait. With the manifests below, a reading of its catalogue and what it is
    /// told, fewer streams than a peer serves to one node: two that were given up may be open there still.
    pub asks_per_peer: usize,
    /// Manifests that are fetched from one peer at once for somebody who reads.
    pub takes_per_peer: usize,
    /// Fetches of single chunks for readers at the same time.
    pub demands_at_once: usize,
    /// Data streams to each peer of such a fetch: together with transfers no more than a peer serves to one node.
    pub demand_streams: usize,
    /// Versions of which it is remembered who has them.
    pub known_holders: usize,
    /// Peers that are asked first which version of a dataset there is; the others only if none of these has it.
    pub favorites: BTreeSet<NodeId>,
    /// For how long what peers say of their datasets is believed; zero asks anew each time. A peer that announces
    /// something ends it sooner.
    pub answers_ttl: Duration,
    /// Such answers that are kept.
    pub answers: usize,

    /// The bounds of the queue of versions to fetch.
    pub backlog: BacklogRules,
    /// Versions that are fetched at the same time. Each may use many peers and streams, so more would only spread thin.
    pub transfers_at_once: usize,
    /// The bounds of one transfer.
    pub transfer: Rules,
    /// Data streams to each peer of a transfer.
    pub streams_per_peer: usize,
    /// Peers of one transfer.
    pub peers_per_transfer: usize,
    /// How often a transfer measures its peers.
    pub tick: Duration,
    /// How long a transfer waits for the first stream of any peer before it gives its place away.
    pub patience: Duration,
    /// How long to wait before a broken data stream is opened again.
    pub reopen_after: Duration,
    /// Groups of chunks that are being hashed, written or synced at the same time: one syncs while another receives.
    pub keeper_lanes: usize,
    /// A group is synced when it has this many bytes. What is not synced is fetched again after a crash.
    pub commit_bytes: u64,
    /// A group is synced at the latest after this time.
    pub commit_after: Duration,
    /// Transfers that lack at least so many bytes write them past the system's page cache, where the file system can do
    /// that: of less, what has come is read soon and stays in memory for it.
    pub direct_from: u64,
    /// Bytes of chunks that are here already which a transfer reads again and checks before it goes on without fetching
    /// them. More would keep a large version from coming in; what is left is found by the next read or verification.
    pub recheck_bytes: u64,
    /// Chunks that are damaged here and wait for a good copy from a peer.
    pub damaged_chunks: usize,

    /// Inbound pairing streams at the same time: more than there may be strangers, each of which has one, so that nobody
    /// waits for another one's.
    pub pair_streams: usize,
    /// Pairing attempts of one node within a minute.
    pub pair_attempts_per_peer: u32,
    /// Pairing attempts of all nodes within a minute. One host makes a third of them at most, whatever its nodes are called,
    /// and half of them are for hosts that made none in that minute.
    pub pair_attempts: u32,
    /// Inbound catalogue streams of one peer.
    pub sync_streams_per_peer: usize,
    /// Inbound chunk streams of one peer.
    pub data_streams_per_peer: usize,
    /// Inbound streams of all peers.
    pub served_streams: usize,
    /// A stream without a request is closed after this.
    pub idle_stream: Duration,
    /// How long one piece of a chunk may take to be written to a peer.
    pub write_deadline: Duration,
    /// Chunks in memory on their way out, for all peers together: several shares of one peer. A chunk has at most what the
    /// chunk store keeps.
    pub served_chunks: usize,
    /// Those of one peer: one that does not read what it asked for keeps nothing from the others. Two transfers with all
    /// their streams have room in it, so that a second one, a reader, or a peer that connects anew does not stand still.
    pub served_chunks_per_peer: usize,
    /// Bytes of long manifests in memory on their way out, for all peers together. Short ones are bounded by the streams.
    pub served_manifests: usize,
    /// Those of one peer. A manifest that is longer counts as a whole share, and comes alone.
    pub served_manifests_per_peer: usize,
    /// How long a peer waits for room for a manifest before it is told to ask again: less than it waits for an answer.
    pub manifest_wait: Duration,
    /// Chunks that one stream reads ahead of what it writes.
    pub read_ahead: usize,
    /// Chunks named in one request.
    pub request_chunks: usize,

    /// The longest that a ticket may be good.
    pub invite_ttl_max: Duration,
    /// Tickets kept in memory so that a repeated request gets the same one.
    pub recent_invites: usize,
    /// Ended transfers that are still shown.
    pub shown_ended: usize,
    /// Waiting transfers that are shown.
    pub shown_waiting: usize,

    /// Background tasks.
    pub tasks: usize,
    /// Blocking calls at the same time: reading, hashing, writing and syncing chunks.
    pub blocking_calls: usize,
    /// Notes waiting for the driver.
    pub notes: usize,
    /// How long to wait before the swarm is asked again for inbound streams.
    pub accept_retry: Duration,
}

impl ReplicatorOptions {
    /// Options of a node.
    #[must_use]
    pub fn new(node_id: NodeId, node_name: String, mode: NodeMode, invite_key: InviteKey) -> Self {
        Self {
            node_id,
            node_name,
            mode,
            invite_key,
            poll_interval: Duration::from_secs(30),
            full_scan_interval: Duration::from_secs(3600),
            catalog_page: 500,
            reading: ReadingRules::default(),
            new_topics: 10_000,
            new_topics_within: Duration::from_secs(3600),
            search: Backoff { first: Duration::from_secs(60), max: Duration::from_secs(3600) },
            steady_after: Duration::from_secs(30),
            description_every: Duration::from_secs(60),
            hurt_manifests: 1024,
            answer_deadline: Duration::from_secs(60),
            answer_rate: 16 << 10,
            open_deadline: Duration::from_secs(20),
            frame_bytes: 1 << 20,
            manifest_bytes: 64 << 20,
            find_deadline: Duration::from_secs(5),
            find_at_once: 16,
            asks_per_peer: 2,
            takes_per_peer: 2,
            demands_at_once: 4,
            demand_streams: 2,
            known_holders: 256,
            favorites: BTreeSet::new(),
            answers_ttl: Duration::ZERO,
            answers: 256,
            backlog: BacklogRules::default(),
            transfers_at_once: 2,
            transfer: Rules::default(),
            streams_per_peer: 4,
            peers_per_transfer: 8,
            tick: Duration::from_millis(250),
            patience: Duration::from_secs(30),
            reopen_after: Duration::from_millis(200),
            keeper_lanes: 2,
            commit_bytes: 32 << 20,
            commit_after: Duration::from_millis(250),
            direct_from: 256 << 20,
            recheck_bytes: 1 << 30,
            damaged_chunks: 65_536,
            pair_streams: 48,
            pair_attempts_per_peer: 6,
            pair_attempts: 60,
            sync_streams_per_peer: 8,
            data_streams_per_peer: 16,
            served_streams: 256,
            idle_stream: Duration::from_secs(60),
            write_deadline: Duration::from_secs(30),
            served_chunks: 64,
            served_chunks_per_peer: 16,
            served_manifests: 128 << 20,
            served_manifests_per_peer: 32 << 20,
            manifest_wait: Duration::from_secs(20),
            read_ahead: 2,
            request_chunks: 1024,
            invite_ttl_max: Duration::from_secs(30 * 24 * 3600),
            recent_invites: 64,
            shown_ended: 32,
            shown_waiting: 200,
            tasks: 1024,
            blocking_calls: 8,
            notes: 1024,
            accept_retry: Duration::from_millis(200),
        }
    }

    /// How long an answer about the catalogue may take.
    pub(crate) const fn answer_patience(&self) -> Patience {
        Patience { piece: self.answer_deadline, rate: self.answer_rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_never_printed() {
        assert_eq!(format!("{:?}", InviteKey::new([0xab; 32])), "InviteKey(..)");
    }
}
