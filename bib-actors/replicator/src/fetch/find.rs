//! Which version of a dataset the connected peers have, for somebody who reads it without a copy of it here.
//!
//! All of them are asked at once, since each may know another one as the latest, and none is believed: what counts is a
//! version of which somebody gives the manifest. The manifest of the chosen one is
//! recorded as begun, as if its topic had been subscribed to; its chunks are fetched by whoever reads them.

use super::Session;
use super::asking::{Asked, ask_all};
use super::catalog::Ours;
use super::manifest::{Taken, take_manifest};
use crate::answers::{Answer, Belief, Question};
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::frame::FrameError;
use crate::shared::Shared;
use crate::wire;
use bib_chunks::{Manifest, SignedManifest};
use bib_domain::offered::{Told, in_order};
use bib_domain::{DatasetRef, NodeId, VersionId};
use bib_guardian::GuardianError;
use bib_kit::clock;
use std::collections::BTreeSet;

/// Where a dataset was looked for, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This version; its manifest is in the catalogue.
    Version(VersionId),
    /// None of the connected peers has it whole.
    Nobody {
        /// How many were asked.
        asked: usize,
    },
    /// No paired peer is connected.
    Unconnected {
        /// How many there are.
        paired: usize,
    },
}

/// What a peer offers.
#[derive(Debug, Clone)]
struct Offered {
    told: Told,
    manifest_bytes: u64,
    peer: NodeId,
}

/// A version whose manifest is at hand.
struct AtHand {
    version: VersionId,
    /// The manifest and who gave it, if it is not in the catalogue yet.
    given: Option<(SignedManifest, NodeId)>,
}

/// Finds the version that `selector` means to the connected peers, and records it here.
pub(crate) async fn find(shared: &Shared, dataset: &DatasetRef, selector: &str) -> Result<Found, ReplicatorError> {
    let question = Question::Version(dataset.clone(), selector.to_owned());
    if let Some(Answer::Version(version)) = shared.answers.get(&question, clock::monotonic()) {
        return Ok(Found::Version(version));
    }
    let mut trouble = None;
    let found = look(shared, dataset, selector, &mut trouble).await?;
    match (found, trouble) {
        // whoever did not answer may be the one that has it
        (Found::Nobody { .. }, Some(error)) => return Err(error),
        // and may have a later one
        (Found::Version(version), trouble) => {
            let belief = if trouble.is_none() { Belief::Whole } else { Belief::Partial };
            shared.answers.put(question, Answer::Version(version), belief, clock::monotonic());
        }
        _ => {}
    }
    Ok(found)
}

async fn look(
    shared: &Shared,
    dataset: &DatasetRef,
    selector: &str,
    trouble: &mut Option<ReplicatorError>,
) -> Result<Found, ReplicatorError> {
    let peers = shared.usable();
    if peers.is_empty() {
        let paired = shared.book().values().filter(|row| row.blamed.is_empty()).count();
        return Ok(Found::Unconnected { paired });
    }
    let asked = peers.len();
    let (favorites, others) = peers.into_iter().partition(|peer| shared.options.favorites.contains(peer));
    for group in [favorites, others] {
        let said = ask(shared, group, dataset, selector).await;
        *trouble = said.trouble.or_else(|| trouble.take());
        if let Some(version) = choose(shared, dataset, selector, &said.answers, trouble).await? {
            return Ok(Found::Version(version));
        }
    }
    Ok(Found::Nobody { asked })
}

/// The version that a selector means of those that are offered, recorded here: the latest of which somebody gives the
/// manifest. What nobody gives the manifest of is no version, so it neither hides others nor makes a choice of them.
async fn choose(
    shared: &Shared,
    dataset: &DatasetRef,
    selector: &str,
    answers: &[Offered],
    trouble: &mut Option<ReplicatorError>,
) -> Result<Option<VersionId>, ReplicatorError> {
    let mut at_hand: Vec<AtHand> = Vec::new();
    for told in in_order(selector, answers.iter().map(|answer| answer.told)) {
        let offered: Vec<&Offered> = answers.iter().filter(|answer| answer.told == told).collect();
        if at_hand.iter().all(|other| other.version != told.version)
            && let Some(found) = get(shared, dataset, &offered, trouble).await
        {
            at_hand.push(found);
            if selector.is_empty() {
                break;
            }
        }
    }
    if at_hand.len() > 1 {
        let (dataset, selector) = (dataset.clone(), selector.to_owned());
        let matches = at_hand.iter().map(|found| found.version).collect();
        return Err(GuardianError::Ambiguous { dataset, selector, matches }.into());
    }
    let Some(AtHand { version, given }) = at_hand.pop() else { return Ok(None) };
    let holders = answers.iter().filter(|answer| answer.told.version == version);
    shared.remember_holders(version, holders.map(|answer| answer.peer.clone()).collect());
    if let Some((signed, peer)) = given {
        let ours = Ours { shared, peer: &peer };
        // somebody here asked for it by name, so it is not among what the peer may add
        let topic = ours.bare_topic(&dataset.topic);
        if shared.guardian.get_topic(&topic.name).await?.is_none() {
            ours.make_topic(topic).await?;
        }
        ours.begin(signed).await?;
    }
    Ok(Some(version))
}

/// The manifest of one version, from the catalogue or from the first who gives it. Liars are blamed.
async fn get(
    shared: &Shared,
    dataset: &DatasetRef,
    offered: &[&Offered],
    trouble: &mut Option<ReplicatorError>,
) -> Option<AtHand> {
    let version = offered.first()?.told.version;
    let known = shared.guardian.manifest(version).await.ok().flatten();
    for answer in offered {
        let taken = match &known {
            Some(signed) => check(dataset, answer, signed.manifest()).map(|()| Some(None)),
            None => take(shared, dataset, answer).await.map(|signed| signed.map(Some)),
        };
        match taken {
            Ok(Some(signed)) => {
                return Some(AtHand { version, given: signed.map(|signed| (signed, answer.peer.clone())) });
            }
            Ok(None) => {}
            Err(error) => {
                if let Some((peer, reason)) = error.lie() {
                    shared.note(Note::Blame { peer: peer.clone(), reason: reason.to_owned() }).await;
                }
                *trouble = Some(error);
            }
        }
    }
    None
}

/// The peers that have this version whole, asked anew. One that does not answer is left out: others give it.
pub(crate) async fn holders(shared: &Shared, dataset: &DatasetRef, version: VersionId) -> BTreeSet<NodeId> {
    let Asked { answers, trouble: _ } = ask(shared, shared.usable(), dataset, &version.to_hex()).await;
    answers.into_iter().filter(|answer| answer.told.version == version).map(|answer| answer.peer).collect()
}

async fn ask(shared: &Shared, peers: BTreeSet<NodeId>, dataset: &DatasetRef, selector: &str) -> Asked<Offered> {
    let one = |peer: NodeId| async move { ask_one(shared, &peer, dataset, selector).await };
    let Asked { answers, trouble } = ask_all(shared, peers, one).await;
    Asked { answers: answers.into_iter().flatten().collect(), trouble }
}

async fn ask_one(
    shared: &Shared,
    peer: &NodeId,
    dataset: &DatasetRef,
    selector: &str,
) -> Result<Option<Offered>, ReplicatorError> {
    let mut session = Session::open_if_connected(shared, peer).await?;
    let found = session.find(dataset, selector).await?;
    session.close().await;
    let Some(found) = found else { return Ok(None) };
    let offered = found.version.as_ref().map(wire::offer);
    match offered {
        Some(Ok((named, offer))) if named == *dataset => Ok(Some(Offered {
            told: Told { number: found.number, created_ms: found.created_ms, version: offer.version },
            manifest_bytes: offer.manifest_bytes,
            peer: peer.clone(),
        })),
        _ => {
            let detail = "it answered with another dataset than was asked for".to_owned();
            Err(ReplicatorError::Protocol { peer: peer.clone(), detail })
        }
    }
}

/// Takes the manifest from one of those who have it. `None` if it cannot be had there.
async fn take(
    shared: &Shared,
    dataset: &DatasetRef,
    answer: &Offered,
) -> Result<Option<SignedManifest>, ReplicatorError> {
    let (peer, version) = (&answer.peer, answer.told.version);
    let taking = async {
        let mut session = Session::open_if_connected(shared, peer).await?;
        let taken = take_manifest(shared, peer, &mut session, (dataset, version, answer.manifest_bytes)).await?;
        if !matches!(taken, Taken::Broken(_)) {
            session.close().await;
        }
        Ok::<_, ReplicatorError>(taken)
    };
    // somebody waits, and the next peer may be faster; the wait for a place has the same time once more, so that a crowd
    // of readers is no peer's fault
    let after = shared.options.answer_deadline;
    let late = |_| ReplicatorError::Exchange { peer: peer.clone(), source: FrameError::Timeout { after } };
    let _place = tokio::time::timeout(after, shared.takes.take(peer)).await.map_err(late)?;
    match tokio::time::timeout(after, taking).await.map_err(late)?? {
        Taken::Manifest(signed) => check(dataset, answer, signed.manifest()).map(|()| Some(*signed)),
        Taken::Unreadable(reason) => {
            tracing::warn!(%peer, %dataset, version = %version.short(), reason, "a version cannot be taken over");
            Ok(None)
        }
        Taken::Busy(error) | Taken::Broken(error) => Err(error),
        Taken::Withheld(reason) => {
            tracing::debug!(%peer, %dataset, version = %version.short(), reason, "a peer does not give what it offers");
            Ok(None)
        }
    }
}

/// Compares what a peer told of a version with what its publisher signed.
fn check(dataset: &DatasetRef, answer: &Offered, manifest: &Manifest) -> Result<(), ReplicatorError> {
    let Told { number, created_ms, version } = answer.told;
    let detail = if manifest.dataset != dataset.to_string() {
        format!("it offered {version} as {dataset}, and its publisher signed it as {}", wire::cut(&manifest.dataset))
    } else if (manifest.number, manifest.created_ms) != (number, created_ms) {
        format!("it offered {version} as number {number}, and it is number {}", manifest.number)
    } else {
        return Ok(());
    };
    Err(ReplicatorError::Lied { peer: answer.peer.clone(), detail })
}
