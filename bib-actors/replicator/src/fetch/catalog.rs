//! Reading a peer's catalogue: its topics become known, and the versions that this node wants are recorded as begun.
//!
//! The position in the catalogue moves on only after everything before it is recorded, so a crash reads a page twice and
//! never skips one. What a peer does not give now is passed over and looked for later, from the beginning. A manifest
//! that is not what its name says is a lie. What one reading costs is bounded, whatever the peer tells.

use super::Session;
use super::manifest::{Taken, take_manifest};
use super::tally::Tally;
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::shared::Shared;
use crate::wire::{self, Offer};
use bib_chunks::SignedManifest;
use bib_domain::backlog::Offered;
use bib_domain::reading::{Ended, Reading};
use bib_domain::want::{Decision, Policy};
use bib_domain::{DatasetRef, NodeId, StorageKind, TopicName, VersionId, Who};
use bib_guardian::{GuardianError, NewTopic, VersionState};
use bib_kit::clock;
use bib_proto::v1::{CatalogResponse, PeerInfo};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::oneshot;

/// How old what is known of a peer may be before it is written again, in milliseconds.
const SEEN_MS: i64 = 5 * 60 * 1000;
/// Versions of one dataset that a single question to the guardian tells.
const LISTED: usize = 1000;

/// What reading a catalogue came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyncOutcome {
    /// How it ended.
    pub(crate) ended: Ended,
    /// What it was.
    pub(crate) reading: Reading,
    /// Where the next one goes on, if that is not the position that was written down.
    pub(crate) resume: Option<u64>,
}

/// Whether there is room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Left,
    None,
}

/// Where a version that a peer offers stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    Whole,
    /// It is whole, and its manifest is to be fetched again.
    Hurt,
    /// It waits to be fetched, and the peer is noted as one that has it.
    Waits,
    Begun,
    Unknown,
}

/// Reads the catalogue of a peer from a position, or on from the one that was reached last.
pub(crate) async fn sync(
    shared: &Shared,
    peer: &NodeId,
    policy: &Policy,
    from: Option<u64>,
) -> Result<SyncOutcome, ReplicatorError> {
    let mut reading = Reading { from_beginning: from == Some(0), ..Reading::default() };
    let mut session = Session::open(shared, peer).await?;
    let info = session.hello(shared.me().await).await?;
    remember(shared, peer, &info).await?;
    if info.storage == StorageKind::Sqlite.as_str() {
        // it serves nobody, and would say so
        session.close().await;
        return Ok(SyncOutcome { ended: Ended::Whole, reading, resume: None });
    }
    let rules = &shared.options.reading;
    let reached = shared.book().get(peer).map_or(0, |row| row.sync_cursor);
    let (mut after, mut written, mut pages) = (from.unwrap_or(reached), reached, 0_u32);
    let ended = loop {
        if !shared.may_talk(peer) {
            return Err(ReplicatorError::Parted { peer: peer.clone() });
        }
        let response = session.catalog(after, shared.options.catalog_page).await?;
        let mut page = Page { ours: Ours { shared, peer }, policy, session: &mut session, tallies: Tallies::default() };
        let taken = page.take(&response).await;
        page.tallies.say(peer, &mut reading);
        if taken? == Room::None {
            break Ended::Full;
        }
        after = response.next;
        pages = pages.saturating_add(1);
        let over = !response.more || rules.is_over(pages);
        // a catalogue that is read again keeps the position that was reached before
        let farther = after != written && (after > reached || !response.more);
        if farther && (over || rules.keeps_position(pages)) {
            shared.guardian.set_cursor(&shared.op(Who::Peer(peer.clone())), peer, after).await?;
            written = after;
        }
        if over {
            break if response.more { Ended::Unended } else { Ended::Whole };
        }
    };
    session.close().await;
    // the next reading goes on from the new position
    shared.reload_peers().await?;
    Ok(SyncOutcome { ended, reading, resume: (ended == Ended::Unended).then_some(after) })
}

/// Writes down what a peer says about itself, when that is news, and not every time that it has another name.
async fn remember(shared: &Shared, peer: &NodeId, info: &PeerInfo) -> Result<(), ReplicatorError> {
    let news = |row: &mut bib_guardian::PeerRow| {
        let before = row.clone();
        wire::apply_info(row, info);
        let now_ms = clock::unix_ms();
        if *row == before && now_ms.saturating_sub(row.last_seen_ms) < SEEN_MS {
            return false;
        }
        row.last_seen_ms = now_ms;
        true
    };
    if let Some(known) = shared.book().get(peer)
        && (!news(&mut known.clone()) || !Shared::admit(&shared.descriptions, peer))
    {
        return Ok(());
    }
    shared.update_known_peer(&shared.op(Who::Peer(peer.clone())), peer, news).await
}

/// This node's catalogue, and on whose word it changes.
#[derive(Clone, Copy)]
pub(super) struct Ours<'a> {
    pub(super) shared: &'a Shared,
    pub(super) peer: &'a NodeId,
}

/// What is said of a page when all of it is taken: one line a kind, however much there is of it.
#[derive(Default)]
struct Tallies {
    /// Entries that are none.
    bad: Tally,
    /// Topics beyond what the peer may add.
    topics: Tally,
    /// Versions that cannot be read or kept here.
    refused: Tally,
    /// Versions whose manifests the peer did not give.
    withheld: Tally,
    /// Versions whose manifests the peer gives in a moment.
    busy: Tally,
    /// Versions that could not be recorded now.
    unrecorded: Tally,
}

impl Tallies {
    /// Tells people, and the reading whether something was left out that may be had later.
    fn say(&self, peer: &NodeId, reading: &mut Reading) {
        self.bad.warn(peer, "entries of a peer's catalogue cannot be kept");
        self.topics.warn(peer, "a peer tells of too many topics at once: the others are taken later");
        self.refused.warn(peer, "versions of a peer cannot be taken over");
        self.withheld.warn(peer, "a peer does not give the manifests of some versions: they are asked for later");
        self.busy
            .warn(peer, "a peer is too busy to give the manifests of some versions: they are asked for again soon");
        self.unrecorded.warn(peer, "versions of a peer cannot be recorded now: they are looked for later");
        reading.passed_over |= [&self.topics, &self.withheld, &self.unrecorded].iter().any(|tally| tally.any());
        reading.busy |= self.busy.any();
    }

    /// The entries of a page that mean something.
    fn sort(&mut self, page: &CatalogResponse) -> (Vec<NewTopic>, BTreeMap<DatasetRef, Vec<Offer>>) {
        let (mut topics, mut offers) = (Vec::new(), BTreeMap::<DatasetRef, Vec<Offer>>::new());
        for topic in &page.topics {
            match wire::new_topic(topic) {
                Ok(topic) => topics.push(topic),
                Err(error) => self.bad.count(|| format!("a topic: {error}")),
            }
        }
        for version in &page.versions {
            match wire::offer(version) {
                Ok((dataset, offer)) => offers.entry(dataset).or_default().push(offer),
                Err(error) => self.bad.count(|| format!("a version: {error}")),
            }
        }
        (topics, offers)
    }
}

/// One page on its way into it.
struct Page<'a> {
    ours: Ours<'a>,
    policy: &'a Policy,
    session: &'a mut Session,
    tallies: Tallies,
}

impl Page<'_> {
    async fn take(&mut self, page: &CatalogResponse) -> Result<Room, ReplicatorError> {
        let (topics, offers) = self.tallies.sort(page);
        for topic in topics {
            self.know_topic(topic).await?;
        }
        for (dataset, offers) in offers {
            match self.policy.decide(self.ours.peer, &dataset.topic) {
                Decision::Fetch => {
                    if self.take_dataset(&dataset, offers).await? == Room::None {
                        return Ok(Room::None);
                    }
                }
                Decision::KnowTopic => {
                    self.know_topic(self.ours.bare_topic(&dataset.topic)).await?;
                    for offer in offers.into_iter().filter(|offer| self.ours.shared.is_hurt(&offer.version)) {
                        self.take_version(&dataset, offer).await?;
                    }
                }
                Decision::Ignore(_) => {}
            }
        }
        Ok(Room::Left)
    }

    async fn take_dataset(&mut self, dataset: &DatasetRef, offers: Vec<Offer>) -> Result<Room, ReplicatorError> {
        let known = self.ours.known(dataset).await?;
        for offer in offers {
            let version = offer.version;
            let here = match known.get(&version) {
                Some(true) => self.ours.whole(&version),
                Some(false) => self.ours.begun(dataset, version).await?,
                None if known.len() < LISTED => Here::Unknown,
                None => self.ours.look_up(dataset, version).await?,
            };
            match here {
                Here::Whole | Here::Waits => continue,
                Here::Begun => {}
                Here::Hurt => {
                    self.take_version(dataset, offer).await?;
                    continue;
                }
                Here::Unknown if !self.take_version(dataset, offer).await? => continue,
                Here::Unknown => {}
            }
            if self.ours.offer(dataset, version).await? == Offered::Full {
                return Ok(Room::None);
            }
        }
        Ok(Room::Left)
    }

    /// Takes the manifest of a version and records it as begun. False if that is not to be had: the next one is tried.
    async fn take_version(&mut self, dataset: &DatasetRef, offer: Offer) -> Result<bool, ReplicatorError> {
        let Offer { version, manifest_bytes } = offer;
        let named = |reason: String| format!("{dataset}@{}: {reason}", version.short());
        if !self.know_topic(self.ours.bare_topic(&dataset.topic)).await? {
            return Ok(false);
        }
        let offered = (dataset, version, manifest_bytes);
        match take_manifest(self.ours.shared, self.ours.peer, self.session, offered).await? {
            Taken::Manifest(signed) => match self.ours.begin(*signed).await {
                Err(ReplicatorError::Guardian(error)) if error.is_refusal() => {
                    self.tallies.unrecorded.count(|| named(error.to_string()));
                    Ok(false)
                }
                begun => {
                    begun?;
                    self.ours.shared.forget_hurt(&version);
                    Ok(true)
                }
            },
            Taken::Unreadable(reason) => {
                self.tallies.refused.count(|| named(reason));
                Ok(false)
            }
            Taken::Withheld(reason) => {
                self.tallies.withheld.count(|| named(reason));
                Ok(false)
            }
            Taken::Busy(error) => {
                self.tallies.busy.count(|| named(error.to_string()));
                Ok(false)
            }
            Taken::Broken(error) => {
                self.tallies.withheld.count(|| named(error.to_string()));
                self.session.renew(self.ours.shared).await?;
                Ok(false)
            }
        }
    }

    /// Makes a topic unless it is there, or the peer told of too many. Whether it is there now.
    async fn know_topic(&mut self, topic: NewTopic) -> Result<bool, ReplicatorError> {
        let shared = self.ours.shared;
        if shared.guardian.get_topic(&topic.name).await?.is_some() {
            return Ok(true);
        }
        if !Shared::admit(&shared.new_topics, self.ours.peer) {
            self.tallies.topics.count(|| topic.name.to_string());
            return Ok(false);
        }
        self.ours.make_topic(topic).await?;
        Ok(true)
    }
}

impl Ours<'_> {
    /// The versions of a dataset that are known here, and whether each is whole.
    async fn known(&self, dataset: &DatasetRef) -> Result<HashMap<VersionId, bool>, ReplicatorError> {
        match self.shared.guardian.versions(dataset).await {
            Ok(rows) => Ok(rows.into_iter().map(|row| (row.id, row.complete)).collect()),
            Err(GuardianError::DatasetNotFound { .. }) => Ok(HashMap::new()),
            Err(error) => Err(error.into()),
        }
    }

    async fn look_up(&self, dataset: &DatasetRef, version: VersionId) -> Result<Here, ReplicatorError> {
        match self.shared.guardian.find_version(dataset, &version.to_hex()).await {
            Ok(row) if row.complete => Ok(self.whole(&version)),
            Ok(_) => self.begun(dataset, version).await,
            Err(GuardianError::VersionNotFound { .. } | GuardianError::DatasetNotFound { .. }) => Ok(Here::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    fn whole(&self, version: &VersionId) -> Here {
        if self.shared.is_hurt(version) { Here::Hurt } else { Here::Whole }
    }

    /// A version that was begun, unless its manifest must be fetched again. Of one that waits to be fetched, it was
    /// looked at when it came there, and whoever fetches it says when it was hurt since.
    async fn begun(&self, dataset: &DatasetRef, version: VersionId) -> Result<Here, ReplicatorError> {
        if self.shared.is_hurt(&version) {
            return Ok(Here::Unknown);
        }
        if self.waits(dataset, version).await? {
            return Ok(Here::Waits);
        }
        match self.shared.guardian.manifest(version).await {
            Ok(Some(_)) => Ok(Here::Begun),
            Ok(None) | Err(GuardianError::ManifestHurt { .. }) => Ok(Here::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a version waits to be fetched. If so, the peer is noted as one that has it.
    async fn waits(&self, dataset: &DatasetRef, version: VersionId) -> Result<bool, ReplicatorError> {
        let (reply, answer) = oneshot::channel();
        let (peer, dataset) = (self.peer.clone(), dataset.clone());
        self.shared.note(Note::Holds { peer, dataset, version, reply }).await;
        answer.await.map_err(|_| ReplicatorError::Stopped)
    }

    async fn offer(&self, dataset: &DatasetRef, version: VersionId) -> Result<Offered, ReplicatorError> {
        let (reply, answer) = oneshot::channel();
        let (peer, dataset) = (self.peer.clone(), dataset.clone());
        self.shared.note(Note::Offer { peer, dataset, version, reply }).await;
        answer.await.map_err(|_| ReplicatorError::Stopped)
    }

    /// Records a version as begun.
    pub(super) async fn begin(&self, signed: SignedManifest) -> Result<(), ReplicatorError> {
        let op = self.shared.op(Who::Peer(self.peer.clone()));
        self.shared.guardian.publish(&op, Arc::new(signed), VersionState { complete: false }).await?;
        Ok(())
    }

    /// The topic of a version of which the peer told nothing else.
    pub(super) fn bare_topic(&self, name: &TopicName) -> NewTopic {
        wire::bare_topic(name.clone(), self.peer.clone(), clock::unix_ms())
    }

    /// Makes a topic unless it is there.
    pub(super) async fn make_topic(&self, topic: NewTopic) -> Result<(), ReplicatorError> {
        self.shared.guardian.create_topic(&self.shared.op(Who::Peer(self.peer.clone())), topic).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_proto::v1::{PeerTopic, PeerVersion};

    #[test]
    fn a_page_of_nothing_is_one_line() {
        let page = CatalogResponse {
            topics: vec![PeerTopic::default(); 100_000],
            versions: vec![PeerVersion::default(); 100_000],
            next: 1,
            more: true,
        };
        let peer: NodeId = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN".parse().unwrap();
        let mut reading = Reading::default();
        let said = super::super::tally::logged(|| {
            let mut tallies = Tallies::default();
            let (topics, offers) = tallies.sort(&page);
            assert!(topics.is_empty() && offers.is_empty());
            tallies.say(&peer, &mut reading);
        });
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("count=200000") && said.contains("a topic: "), "{said}");
        assert_eq!(reading, Reading::default(), "there is nothing to look for");
    }
}
