//! What the driver does about notes, events and the passing of time.

use super::{Driver, Note};
use bib_domain::DatasetRef;
use bib_domain::reading::Why;
use bib_guardian::VersionPublished;
use bib_kit::{Event, clock};
use bib_swarm::SwarmEvent;

impl Driver {
    pub(super) async fn on_note(&mut self, note: Note) {
        match note {
            Note::Paired(peer) => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.from_beginning = true;
                    state.read_ms = 0;
                }
                self.search.begin_anew();
                self.refresh().await;
                self.meet_connected().await;
                self.sync_newly_paired(&peer);
            }
            Note::Heard(peer) => self.ask_sync(&peer, Why::Peer),
            Note::Offer { peer, dataset, version, reply } => {
                let offered = self.offer(&peer, &dataset, version);
                let _ = reply.send(offered);
            }
            Note::Holds { peer, dataset, version, reply } => {
                let waits = self.backlog.contains(&version);
                if waits {
                    self.offer(&peer, &dataset, version);
                }
                let _ = reply.send(waits);
            }
            Note::Hurt => {
                self.peers.values_mut().for_each(|state| state.from_beginning = true);
                self.poll_all();
            }
            Note::Synced { peer, result } => self.synced(peer, result).await,
            Note::Announced { peer, result } => self.announced(&peer, result),
            Note::Ended { version, number, outcome } => self.ended(version, number, outcome),
            Note::Blame { peer, reason } => self.blame(&peer, &reason).await,
            Note::Damaged(chunks) => {
                self.add_damaged(chunks);
                self.repair();
            }
            Note::Heal { chunks, reply } => self.heal(chunks, reply),
            Note::Repaired { tried, good, liar } => self.repaired(&tried, &good, liar.as_ref()),
            Note::SyncNow(reply) => {
                self.peers.values_mut().for_each(|state| state.from_beginning = true);
                self.meet_connected().await;
                self.sync_all();
                let _ = reply.send(());
            }
            Note::Catalogs(reply) => drop(reply.send(self.catalogs())),
            Note::Show(reply) => drop(reply.send(self.rows())),
        }
    }

    pub(super) async fn on_swarm(&mut self, event: Event<SwarmEvent>) {
        match event {
            Event::Item(SwarmEvent::Connected(peer)) => self.met(&peer),
            Event::Item(SwarmEvent::Disconnected(peer)) => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.connected = false;
                }
                if !self.policy.peers.contains_key(&peer) {
                    self.peers.remove(&peer);
                }
            }
            Event::Item(SwarmEvent::Discovered { .. }) | Event::Closed => return,
            Event::Missed(_) => self.meet_connected().await,
        }
        self.follow_sources();
    }

    pub(super) fn on_version(&mut self, event: Event<VersionPublished>) {
        match event {
            Event::Item(VersionPublished { dataset, version, complete: true, .. }) => {
                let latest: (DatasetRef, _) = (dataset, version);
                self.announce(Some(&latest));
            }
            Event::Missed(_) => self.announce(None),
            Event::Item(_) | Event::Closed => {}
        }
    }

    /// Repairs what events and announcements missed.
    pub(super) async fn on_poll(&mut self) {
        self.refresh().await;
        self.meet_connected().await;
        let scan = clock::since(self.scanned) >= self.shared.options.full_scan_interval;
        let lacking = self.backlog.lacks_holders(|peer| self.usable(peer));
        let pauses = &self.shared.options.search;
        let search = self.search.is_due(lacking, clock::uptime_ms(), pauses, super::work::dice());
        if scan {
            self.scanned = clock::monotonic();
        }
        if scan || search {
            self.peers.values_mut().for_each(|state| state.from_beginning = true);
        }
        self.poll_all();
        self.repair();
    }
}
