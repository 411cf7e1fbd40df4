//! What a proxy answers from: it keeps nothing, so lists and versions are those of the nodes that it joined, and the bytes
//! of a version are fetched while they are read.
//!
//! Where no node is connected, or none answered, what was learnt of them before is shown; it is in the catalogue as any
//! other. Where that is nothing, it is said why nobody answered: that is not the same as that nobody has it.

use super::versions::Place;
use crate::mapping::{busy, dataset_not_found};
use crate::problem::Problem;
use crate::shared::Shared;
use bib_chunks::{ChunkError, ChunkRef, ChunkStore};
use bib_domain::{DatasetRef, NodeMode, OpContext, TopicName, VersionId};
use bib_guardian::{DatasetRow, GuardianError, Topic, VersionRow};
use bib_replicator::{Found, ReplicatorError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;

/// How often bytes that were pushed out of a full memory before they were read are fetched again.
const TRIES: u32 = 8;

/// Whether lists and versions are those of other nodes.
pub(super) fn is_proxy(shared: &Shared) -> bool {
    shared.options.mode == NodeMode::Proxy
}

/// Refuses what only a node can do that keeps data.
pub(super) fn check_keep(shared: &Shared) -> Result<(), Problem> {
    shared.options.mode.check_keep().map_err(|refusal| {
        Problem::new(Code::FailedPrecondition, "MODE_PROXY", refusal.to_string()).hint(
            "do it on a node that keeps data (bib node list), or make this one such a node: bib setup --mode selective",
        )
    })
}

/// Topics as the guardian lists them: at most `limit` after a name, fewer at the end. A proxy knows those of the nodes
/// that it joined, and asks them what they have of each.
pub(super) async fn topics(
    shared: &Shared,
    op: &OpContext,
    after: Option<TopicName>,
    limit: u32,
) -> Result<Vec<Topic>, Problem> {
    let own = shared.deps.guardian.on_behalf_of(op).list_topics(after.clone(), limit).await?;
    if !is_proxy(shared) {
        return Ok(own);
    }
    let told = unless_known(shared.deps.replicator.topics(after, limit).await, !own.is_empty())?;
    Ok(with_told(own, told.iter().flat_map(|rows| rows.iter()), limit))
}

/// A topic, if it is known.
pub(super) async fn topic(shared: &Shared, op: &OpContext, name: &TopicName) -> Result<Option<Topic>, Problem> {
    let own = shared.deps.guardian.on_behalf_of(op).get_topic(name).await?;
    if !is_proxy(shared) {
        return Ok(own);
    }
    let told = unless_known(shared.deps.replicator.topic(name).await, own.is_some())?;
    Ok(with_told(own.into_iter().collect(), told.iter(), 1).pop())
}

/// What other nodes told. That they could not be asked counts only where nothing is known here.
fn unless_known<T>(told: Result<Option<T>, ReplicatorError>, known: bool) -> Result<Option<T>, ReplicatorError> {
    match told {
        Err(error) if known && nobody_said(&error) => Ok(None),
        told => told,
    }
}

/// Whether other nodes did not answer, whatever they have.
const fn nobody_said(error: &ReplicatorError) -> bool {
    matches!(error, ReplicatorError::Exchange { .. } | ReplicatorError::Peer { .. } | ReplicatorError::Swarm(_))
}

/// The topics of two lists that begin after the same name and hold at most `limit`: so does what comes of them.
fn with_told<'a>(own: Vec<Topic>, told: impl Iterator<Item = &'a Topic>, limit: u32) -> Vec<Topic> {
    let mut topics: BTreeMap<TopicName, Topic> = own.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
    for far in told {
        let topic = topics.entry(far.name.clone()).or_insert_with(|| far.clone());
        topic.datasets = topic.datasets.max(far.datasets);
        topic.bytes = topic.bytes.max(far.bytes);
        topic.updated_ms = topic.updated_ms.max(far.updated_ms);
    }
    topics.into_values().take(limit as usize).collect()
}

/// Datasets as the guardian lists them: at most `limit` after a name, fewer at the end.
pub(super) async fn datasets(
    shared: &Shared,
    op: &OpContext,
    topic: Option<TopicName>,
    after: Option<DatasetRef>,
    limit: u32,
) -> Result<Vec<DatasetRow>, Problem> {
    let others = if is_proxy(shared) {
        shared.deps.replicator.datasets(topic.clone(), after.clone(), limit).await
    } else {
        Ok(None)
    };
    if let Ok(Some(rows)) = &others {
        let object = topic.as_ref().map_or_else(|| "datasets".to_owned(), ToString::to_string);
        told(shared, op, "dataset.list", &object, rows.len()).await;
        return Ok(rows.to_vec());
    }
    let own = shared.deps.guardian.on_behalf_of(op).list_datasets(topic, after, limit).await;
    unless_known(others, own.as_ref().is_ok_and(|rows| !rows.is_empty()))?;
    Ok(own?)
}

/// The versions of a dataset as the guardian lists them, latest first: at most `limit` after a place, fewer at the end.
pub(super) async fn versions(
    shared: &Shared,
    op: &OpContext,
    dataset: &DatasetRef,
    after: Option<Place>,
    limit: u32,
) -> Result<Vec<VersionRow>, Problem> {
    let others = if is_proxy(shared) { shared.deps.replicator.versions(dataset).await } else { Ok(None) };
    if let Ok(Some(rows)) = &others
        && !rows.is_empty()
    {
        let later = rows.iter().filter(|row| after.is_none_or(|after| after.is_before(row)));
        let rows: Vec<VersionRow> = later.take(limit as usize).cloned().collect();
        told(shared, op, "dataset.versions", &dataset.to_string(), rows.len()).await;
        return Ok(rows);
    }
    let after = after.map(|place| (place.number, place.created_ms, place.id));
    let own = shared.deps.guardian.on_behalf_of(op).versions_after(dataset, after, limit).await;
    unless_known(others, own.as_ref().is_ok_and(|rows| !rows.is_empty()))?;
    Ok(own?)
}

/// Records that somebody was told what other nodes have: the guardian, which records reads, did not hear of it.
async fn told(shared: &Shared, op: &OpContext, action: &str, object: &str, rows: usize) {
    let mut record = shared.journal.reads(op, action, object).await;
    record.note("from", "other nodes");
    record.done(Some(rows as u64)).await;
}

/// The version that a selector means, in this node's catalogue. A proxy asks the others first, and takes the manifest.
pub(super) async fn find_version(
    shared: &Shared,
    op: &OpContext,
    dataset: &DatasetRef,
    selector: &str,
) -> Result<VersionRow, Problem> {
    let guardian = shared.deps.guardian.on_behalf_of(op);
    if !is_proxy(shared) {
        return Ok(guardian.find_version(dataset, selector).await?);
    }
    let found = match shared.deps.replicator.find(dataset, selector).await {
        Err(error) if nobody_said(&error) => {
            return guardian.find_version(dataset, selector).await.map_err(|own| match own {
                GuardianError::DatasetNotFound { .. }
                | GuardianError::TopicNotFound { .. }
                | GuardianError::VersionNotFound { .. } => error.into(),
                own => own.into(),
            });
        }
        found => found?,
    };
    let selector = match &found {
        Found::Version(id) => id.to_hex(),
        Found::Nobody { .. } | Found::Unconnected { .. } => selector.to_owned(),
    };
    match guardian.find_version(dataset, &selector).await {
        Err(GuardianError::DatasetNotFound { .. } | GuardianError::TopicNotFound { .. }) => {
            Err(nobody(dataset, &found))
        }
        other => Ok(other?),
    }
}

fn nobody(dataset: &DatasetRef, found: &Found) -> Problem {
    let problem = dataset_not_found(&dataset.to_string());
    match found {
        Found::Unconnected { paired: 0 } => problem.hint("join a node that has it: bib join TICKET"),
        Found::Unconnected { paired } => {
            problem.hint(format!("none of the {paired} nodes that this proxy joined is connected: bib node list"))
        }
        Found::Nobody { asked } => problem.hint(format!("none of the {asked} connected nodes has it: bib node list")),
        Found::Version(_) => problem,
    }
}

/// Brings the chunks of a version that is not kept here, before they are read.
#[derive(Clone)]
pub(super) struct Bringer {
    shared: Arc<Shared>,
    dataset: DatasetRef,
    version: VersionId,
}

impl Bringer {
    /// For a version of this node, if it is not kept here.
    pub(super) fn of(shared: &Arc<Shared>, version: &VersionRow) -> Option<Self> {
        let far = is_proxy(shared) && !version.complete;
        far.then(|| Self { shared: Arc::clone(shared), dataset: version.dataset.clone(), version: version.id })
    }

    /// Comes back when all of `chunks` were here at once, or nobody gave them.
    async fn bring(&self, chunks: &[ChunkRef]) -> Result<(), Problem> {
        let (store, wanted) = (self.shared.deps.chunks.clone(), chunks.to_vec());
        let look = move || wanted.into_iter().filter(|chunk| !store.contains(&chunk.hash)).collect::<Vec<_>>();
        let missing = self.shared.reads.run(look).await?;
        if !missing.is_empty() {
            let within = self.within();
            self.shared.deps.replicator.fetch(&self.dataset, self.version, missing, within).await?;
        }
        Ok(())
    }

    fn within(&self) -> Duration {
        self.shared.options.transfers.stream_idle
    }
}

/// Reads on a blocking thread. Where chunks are not kept, `needs` are brought before, and once more when a full memory
/// let go of some of them meanwhile.
pub(super) async fn read<T: Send + 'static>(
    shared: &Shared,
    bringer: Option<&Bringer>,
    needs: &[ChunkRef],
    read: impl Fn(&ChunkStore) -> Result<T, ChunkError> + Send + Sync + 'static,
) -> Result<T, Problem> {
    let read = Arc::new(read);
    let mut tries = 0;
    loop {
        if let Some(bringer) = bringer {
            bringer.bring(needs).await?;
        }
        let (store, read) = (shared.deps.chunks.clone(), Arc::clone(&read));
        match shared.reads.run(move || read(&store)).await? {
            Err(ChunkError::Missing { .. }) if bringer.is_some() && tries < TRIES => tries += 1,
            Err(ChunkError::Missing { .. }) if bringer.is_some() => {
                let limit = usize::try_from(shared.deps.chunks.options().memory_bytes.unwrap_or_default());
                return Err(busy("bytes in the proxy's memory", limit.unwrap_or(usize::MAX))
                    .hint("raise proxy.cache_mib, or read less at once"));
            }
            // damage that a read finds is noted by the store, and mended from a peer
            done => return Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, datasets: u64, subscribed: bool) -> Topic {
        Topic {
            name: name.parse().unwrap(),
            description: String::new(),
            owner: "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap(),
            datasets,
            bytes: datasets * 10,
            subscribed,
            created_ms: 1,
            updated_ms: i64::try_from(datasets).unwrap(),
        }
    }

    #[test]
    fn who_did_not_answer_counts_only_where_nothing_is_known() {
        let alone = || Err::<Option<()>, _>(ReplicatorError::Swarm(bib_swarm::SwarmError::Stopped));
        assert!(matches!(unless_known(alone(), true), Ok(None)));
        assert!(unless_known(alone(), false).is_err());
        assert!(unless_known::<()>(Err(ReplicatorError::Stopped), true).is_err());
        assert!(matches!(unless_known(Ok(Some(())), true), Ok(Some(()))));
    }

    #[test]
    fn a_proxy_knows_topics_of_its_own_and_how_much_others_have() {
        let own = vec![topic("b", 0, true), topic("c", 0, false)];
        let told = [topic("a", 4, false), topic("b", 5, false), topic("d", 6, false)];
        let all = [topic("a", 4, false), topic("b", 5, true), topic("c", 0, false), topic("d", 6, false)];
        assert_eq!(with_told(own.clone(), told.iter(), 10), all);
        assert_eq!(with_told(own.clone(), told.iter(), 3), all[..3]);
        assert_eq!(with_told(own.clone(), [].iter(), 10), own);
    }
}
