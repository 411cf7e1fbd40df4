//! Reading a peer's catalogue: its topics become known, and the versions that this node wants are recorded as begun.
//!
//! The position in the catalogue moves on only after everything on a page is recorded, so a crash reads a page twice
//! and never skips one. A manifest that is not what its name says is a lie.

use super::Session;
use super::manifest::take_manifest;
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::shared::Shared;
use crate::wire::{self, Offer};
use bib_chunks::SignedManifest;
use bib_domain::backlog::Offered;
use bib_domain::want::{Decision, Policy};
use bib_domain::{DatasetRef, NodeId, StorageKind, TopicName, VersionId, Who};
use bib_guardian::{GuardianError, VersionState};
use bib_kit::clock;
use bib_proto::v1::{CatalogResponse, PeerInfo};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::oneshot;

/// How old what is known of a peer may be before it is written again, in milliseconds.
const SEEN_MS: i64 = 5 * 60 * 1000;
/// Versions of one dataset that a single question to the guardian tells.
const LISTED: usize = 1000;

/// What reading a catalogue came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SyncOutcome {
    /// It was read to its end.
    Whole,
    /// Too much waits to be fetched: it is to be read on later.
    BacklogFull,
}

/// Where a version that a peer offers stands here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    Whole,
    Begun,
    Unknown,
}

/// Reads the catalogue of a peer after the position reached last, or from its beginning.
pub(crate) async fn sync(
    shared: &Shared,
    peer: &NodeId,
    policy: &Policy,
    from_beginning: bool,
) -> Result<SyncOutcome, ReplicatorError> {
    let mut session = Session::open(shared, peer).await?;
    let info = session.hello(shared.me().await).await?;
    remember(shared, peer, &info).await?;
    if info.storage == StorageKind::Sqlite.as_str() {
        // it serves nobody, and would say so
        session.close().await;
        return Ok(SyncOutcome::Whole);
    }
    let reached = shared.book().get(peer).map_or(0, |row| row.sync_cursor);
    let mut after = if from_beginning { 0 } else { reached };
    let new_topics = AtomicU32::new(0);
    loop {
        let page = session.catalog(after, shared.options.catalog_page).await?;
        let ours = Ours { shared, peer, new_topics: &new_topics };
        let mut reading = Reading { ours, policy, session: &mut session };
        if reading.take(&page).await? == SyncOutcome::BacklogFull {
            return Ok(SyncOutcome::BacklogFull);
        }
        after = page.next;
        // a catalogue that is read again keeps the position that was reached before
        if after != reached && (after > reached || !page.more) {
            shared.guardian.set_cursor(&shared.op(Who::Peer(peer.clone())), peer, after).await?;
        }
        if !page.more {
            break;
        }
    }
    session.close().await;
    // the next reading goes on from the new position
    shared.reload_peers().await?;
    Ok(SyncOutcome::Whole)
}

/// Writes down what a peer says about itself, when that is news.
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
        && !news(&mut known.clone())
    {
        return Ok(());
    }
    shared.update_peer(&shared.op(Who::Peer(peer.clone())), peer, news).await?;
    Ok(())
}

/// This node's catalogue, and on whose word it changes.
#[derive(Clone, Copy)]
pub(super) struct Ours<'a> {
    pub(super) shared: &'a Shared,
    pub(super) peer: &'a NodeId,
    /// Topics that were made in this reading.
    pub(super) new_topics: &'a AtomicU32,
}

/// One page on its way into it.
struct Reading<'a> {
    ours: Ours<'a>,
    policy: &'a Policy,
    session: &'a mut Session,
}

impl Reading<'_> {
    async fn take(&mut self, page: &CatalogResponse) -> Result<SyncOutcome, ReplicatorError> {
        for topic in &page.topics {
            match wire::new_topic(topic) {
                Ok(topic) => self.ours.know_topic(topic).await?,
                Err(error) => tracing::warn!(peer = %self.ours.peer, error, "a topic of a peer cannot be kept"),
            }
        }
        let mut offers: BTreeMap<DatasetRef, Vec<Offer>> = BTreeMap::new();
        for version in &page.versions {
            match wire::offer(version) {
                Ok((dataset, offer)) => offers.entry(dataset).or_default().push(offer),
                Err(error) => tracing::warn!(peer = %self.ours.peer, error, "a version of a peer cannot be kept"),
            }
        }
        for (dataset, offers) in offers {
            match self.policy.decide(self.ours.peer, &dataset.topic) {
                Decision::Fetch => {
                    if self.take_dataset(&dataset, offers).await? == SyncOutcome::BacklogFull {
                        return Ok(SyncOutcome::BacklogFull);
                    }
                }
                Decision::KnowTopic => self.ours.know_bare_topic(&dataset.topic).await?,
                Decision::Ignore(_) => {}
            }
        }
        Ok(SyncOutcome::Whole)
    }

    async fn take_dataset(&mut self, dataset: &DatasetRef, offers: Vec<Offer>) -> Result<SyncOutcome, ReplicatorError> {
        let known = self.ours.known(dataset).await?;
        for Offer { version, manifest_bytes } in offers {
            let here = match known.get(&version) {
                Some(true) => Here::Whole,
                Some(false) => self.ours.begun(version).await?,
                None if known.len() < LISTED => Here::Unknown,
                None => self.ours.look_up(dataset, version).await?,
            };
            if here == Here::Whole {
                continue;
            }
            if here == Here::Unknown {
                let offered = (dataset, version, manifest_bytes);
                let Some(signed) = take_manifest(self.ours.shared, self.ours.peer, self.session, offered).await? else {
                    continue;
                };
                self.ours.know_bare_topic(&dataset.topic).await?;
                match self.ours.begin(signed).await {
                    Err(ReplicatorError::Guardian(error)) if error.is_refusal() => {
                        let peer = self.ours.peer;
                        tracing::warn!(%peer, %dataset, version = %version.short(), %error, "a version cannot be taken over");
                        continue;
                    }
                    begun => begun?,
                }
            }
            if self.ours.offer(dataset, version).await? == Offered::Full {
                return Ok(SyncOutcome::BacklogFull);
            }
        }
        Ok(SyncOutcome::Whole)
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
            Ok(row) if row.complete => Ok(Here::Whole),
            Ok(_) => self.begun(version).await,
            Err(GuardianError::VersionNotFound { .. } | GuardianError::DatasetNotFound { .. }) => Ok(Here::Unknown),
            Err(error) => Err(error.into()),
        }
    }

    /// A version that was begun, unless its manifest must be fetched again.
    async fn begun(&self, version: VersionId) -> Result<Here, ReplicatorError> {
        match self.shared.guardian.manifest(version).await {
            Ok(Some(_)) => Ok(Here::Begun),
            Ok(None) | Err(GuardianError::ManifestHurt { .. }) => Ok(Here::Unknown),
            Err(error) => Err(error.into()),
        }
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

    pub(super) async fn know_bare_topic(&self, name: &TopicName) -> Result<(), ReplicatorError> {
        self.know_topic(wire::bare_topic(name.clone(), self.peer.clone(), clock::unix_ms())).await
    }

    async fn know_topic(&self, topic: bib_guardian::NewTopic) -> Result<(), ReplicatorError> {
        if self.shared.guardian.get_topic(&topic.name).await?.is_none() {
            let limit = self.shared.options.new_topics;
            if self.new_topics.fetch_add(1, Relaxed) >= limit {
                tracing::warn!(peer = %self.peer, topic = %topic.name, limit, "a peer tells of too many topics at once");
                return Ok(());
            }
            let op = self.shared.op(Who::Peer(self.peer.clone()));
            self.shared.guardian.create_topic(&op, topic).await?;
        }
        Ok(())
    }
}
