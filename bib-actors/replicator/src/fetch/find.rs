//! Which version of a dataset the connected peers have, for somebody who reads it without a copy of it here.
//!
//! All of them are asked at once, since each may know another one as the latest. The manifest of the chosen one is
//! recorded as begun, as if its topic had been subscribed to; its chunks are fetched by whoever reads them.

use super::Session;
use super::catalog::Ours;
use super::manifest::take_manifest;
use crate::answers::{Answer, Question};
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::shared::Shared;
use crate::wire;
use bib_domain::{DatasetRef, NodeId, VersionId};
use bib_guardian::GuardianError;
use bib_kit::clock;
use futures::StreamExt;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU32;

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Offered {
    number: u64,
    created_ms: i64,
    version: VersionId,
    manifest_bytes: u64,
    peer: NodeId,
}

/// Finds the version that `selector` means to the connected peers, and records it here.
pub(crate) async fn find(shared: &Shared, dataset: &DatasetRef, selector: &str) -> Result<Found, ReplicatorError> {
    let question = Question::Version(dataset.clone(), selector.to_owned());
    if let Some(Answer::Version(version)) = shared.answers.get(&question, clock::monotonic()) {
        return Ok(Found::Version(version));
    }
    let found = look(shared, dataset, selector).await?;
    if let Found::Version(version) = found {
        shared.answers.put(question, Answer::Version(version), clock::monotonic());
    }
    Ok(found)
}

async fn look(shared: &Shared, dataset: &DatasetRef, selector: &str) -> Result<Found, ReplicatorError> {
    let peers = shared.usable();
    if peers.is_empty() {
        let paired = shared.book().values().filter(|row| row.blamed.is_empty()).count();
        return Ok(Found::Unconnected { paired });
    }
    let asked = peers.len();
    let (favorites, others) = peers.into_iter().partition(|peer| shared.options.favorites.contains(peer));
    let mut answers = ask_all(shared, favorites, dataset, selector).await;
    if answers.is_empty() {
        answers = ask_all(shared, others, dataset, selector).await;
    }
    answers.sort_unstable();
    let Some(best) = answers.last().cloned() else { return Ok(Found::Nobody { asked }) };
    let different: BTreeSet<VersionId> = answers.iter().map(|answer| answer.version).collect();
    if !selector.is_empty() && different.len() > 1 {
        let (dataset, selector) = (dataset.clone(), selector.to_owned());
        return Err(GuardianError::Ambiguous { dataset, selector, matches: different.into_iter().collect() }.into());
    }
    answers.retain(|answer| answer.version == best.version);
    shared.remember_holders(best.version, answers.iter().map(|answer| answer.peer.clone()).collect());
    let known = shared.guardian.manifest(best.version).await;
    if matches!(known, Ok(Some(_))) {
        return Ok(Found::Version(best.version));
    }
    let mut trouble = None;
    for answer in &answers {
        match take(shared, dataset, answer).await {
            Ok(true) => return Ok(Found::Version(best.version)),
            Ok(false) => {}
            Err(error) => {
                if let Some((peer, reason)) = error.lie() {
                    shared.note(Note::Blame { peer: peer.clone(), reason: reason.to_owned() }).await;
                }
                trouble = Some(error);
            }
        }
    }
    trouble.map_or(Ok(Found::Nobody { asked }), Err)
}

/// The peers that have this version whole, asked anew.
pub(crate) async fn holders(shared: &Shared, dataset: &DatasetRef, version: VersionId) -> BTreeSet<NodeId> {
    let answers = ask_all(shared, shared.usable(), dataset, &version.to_hex()).await;
    answers.into_iter().filter(|answer| answer.version == version).map(|answer| answer.peer).collect()
}

async fn ask_all(shared: &Shared, peers: BTreeSet<NodeId>, dataset: &DatasetRef, selector: &str) -> Vec<Offered> {
    let limit = shared.options.find_deadline;
    let ask = |peer: NodeId| async move {
        let asked = tokio::time::timeout(limit, ask_one(shared, &peer, dataset, selector)).await;
        match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %dataset, %error, "a peer did not say whether it has a dataset");
                None
            }
            Err(_) => {
                tracing::debug!(%peer, %dataset, ?limit, "a peer did not say in time whether it has a dataset");
                None
            }
        }
    };
    let answers =
        futures::stream::iter(peers.into_iter().map(ask)).buffer_unordered(shared.options.find_at_once.max(1));
    answers.filter_map(|answer| async move { answer }).collect().await
}

async fn ask_one(
    shared: &Shared,
    peer: &NodeId,
    dataset: &DatasetRef,
    selector: &str,
) -> Result<Option<Offered>, ReplicatorError> {
    let mut session = Session::open(shared, peer).await?;
    let found = session.find(dataset, selector).await?;
    session.close().await;
    let Some(found) = found else { return Ok(None) };
    let offered = found.version.as_ref().map(wire::offer);
    match offered {
        Some(Ok((named, offer))) if named == *dataset => Ok(Some(Offered {
            number: found.number,
            created_ms: found.created_ms,
            version: offer.version,
            manifest_bytes: offer.manifest_bytes,
            peer: peer.clone(),
        })),
        _ => {
            let detail = "it answered with another dataset than was asked for".to_owned();
            Err(ReplicatorError::Protocol { peer: peer.clone(), detail })
        }
    }
}

/// Takes the manifest from one of those who have it. False if it cannot be had there.
async fn take(shared: &Shared, dataset: &DatasetRef, answer: &Offered) -> Result<bool, ReplicatorError> {
    let peer = &answer.peer;
    let mut session = Session::open(shared, peer).await?;
    let offered = (dataset, answer.version, answer.manifest_bytes);
    let signed = take_manifest(shared, peer, &mut session, offered).await?;
    session.close().await;
    let Some(signed) = signed else { return Ok(false) };
    let manifest = signed.manifest();
    if (manifest.number, manifest.created_ms) != (answer.number, answer.created_ms) {
        let detail =
            format!("it offered {} as number {}, and it is number {}", answer.version, answer.number, manifest.number);
        return Err(ReplicatorError::Lied { peer: peer.clone(), detail });
    }
    let ours = Ours { shared, peer, new_topics: &AtomicU32::new(0) };
    ours.know_bare_topic(&dataset.topic).await?;
    ours.begin(signed).await?;
    Ok(true)
}
