//! Which topics, datasets and versions the connected peers have, for somebody who keeps no copies of them.
//!
//! All peers are asked at once and their answers made one list. Nobody signed these: they say what there is to read, and
//! whoever reads it takes the signed manifest.

use super::Session;
use super::asking::{Asked, ask_all};
use crate::answers::{Answer, Belief, Question};
use crate::error::ReplicatorError;
use crate::shared::Shared;
use crate::wire;
use bib_domain::{DatasetRef, NodeId, TopicName};
use bib_guardian::{DatasetRow, Topic, VersionRow};
use bib_kit::clock;
use bib_proto::v1::{DatasetsRequest, DatasetsResponse, PeerDataset, TopicsRequest, TopicsResponse};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pages that are asked for until one of ours is full: peers with nothing whole to show must not keep anybody for ever.
const PAGES: usize = 100;

/// What is listed by its name.
trait Listed: Sized {
    type Name: Ord + Clone;

    fn name(&self) -> &Self::Name;

    /// What is known when another peer says something of the same thing.
    fn join(&mut self, other: Self);
}

impl Listed for Topic {
    type Name = TopicName;

    fn name(&self) -> &TopicName {
        &self.name
    }

    /// Peers know a topic from its owner, who made it before they heard of it.
    fn join(&mut self, other: Self) {
        let (datasets, bytes) = (self.datasets.max(other.datasets), self.bytes.max(other.bytes));
        let updated_ms = self.updated_ms.max(other.updated_ms);
        if (other.created_ms, &other.owner) < (self.created_ms, &self.owner) {
            *self = other;
        }
        (self.datasets, self.bytes, self.updated_ms) = (datasets, bytes, updated_ms);
    }
}

impl Listed for DatasetRow {
    type Name = DatasetRef;

    fn name(&self) -> &DatasetRef {
        &self.name
    }

    fn join(&mut self, other: Self) {
        let age = |row: &Self| row.latest.as_ref().map(|latest| (latest.number, latest.created_ms, latest.id));
        let (versions, created_ms) = (self.versions.max(other.versions), self.created_ms.min(other.created_ms));
        if age(&other) > age(self) {
            *self = other;
        }
        (self.versions, self.created_ms) = (versions, created_ms);
    }
}

/// A page of one peer.
struct Page<R: Listed> {
    rows: Vec<R>,
    /// Nothing is known of what comes after this name; `None` when the peer has nothing else.
    known_to: Option<R::Name>,
}

/// At most `limit` topics after a name, or one alone, in the order of names; fewer are the end. `None` when no peer is
/// connected.
pub(crate) async fn topics(
    shared: &Shared,
    name: Option<TopicName>,
    after: Option<TopicName>,
    limit: u32,
) -> Result<Option<Arc<Vec<Topic>>>, ReplicatorError> {
    let question = name.clone().map_or_else(|| Question::Topics { after: after.clone(), limit }, Question::Topic);
    if let Some(Answer::Topics(rows)) = shared.answers.get(&question, clock::monotonic()) {
        return Ok(Some(rows));
    }
    let ask = |peer, after| topics_page(shared, peer, name.clone(), after, limit);
    let Some(said) = pages(shared, after, limit, ask).await else { return Ok(None) };
    believe(shared, said, |rows| (question, Answer::Topics(rows)))
}

/// At most `limit` datasets after a name, in the order of names; fewer are the end. `None` when no peer is connected.
pub(crate) async fn datasets(
    shared: &Shared,
    topic: Option<TopicName>,
    after: Option<DatasetRef>,
    limit: u32,
) -> Result<Option<Arc<Vec<DatasetRow>>>, ReplicatorError> {
    let question = Question::Datasets { topic: topic.clone(), after: after.clone(), limit };
    if let Some(Answer::Datasets(rows)) = shared.answers.get(&question, clock::monotonic()) {
        return Ok(Some(rows));
    }
    let ask = |peer, after| datasets_page(shared, peer, topic.clone(), after, limit);
    let Some(said) = pages(shared, after, limit, ask).await else { return Ok(None) };
    believe(shared, said, |rows| (question, Answer::Datasets(rows)))
}

/// The versions of a dataset that any connected peer has whole, latest first. `None` when no peer is connected.
pub(crate) async fn versions(
    shared: &Shared,
    dataset: &DatasetRef,
) -> Result<Option<Arc<Vec<VersionRow>>>, ReplicatorError> {
    let question = Question::Versions(dataset.clone());
    if let Some(Answer::Versions(rows)) = shared.answers.get(&question, clock::monotonic()) {
        return Ok(Some(rows));
    }
    let ask = |peer: NodeId| async move {
        let mut session = Session::open_if_connected(shared, &peer).await?;
        let said = session.versions(dataset).await?;
        session.close().await;
        let row = |said| wire::version_row(said).ok().filter(|row| row.dataset == *dataset);
        Ok(said.iter().filter_map(row).collect::<Vec<_>>())
    };
    let Some(Asked { answers, trouble }) = all(shared, ask).await else { return Ok(None) };
    let mut rows: Vec<VersionRow> = answers.into_iter().flatten().collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.number, row.created_ms, row.id)));
    rows.dedup_by_key(|row| row.id);
    believe(shared, Asked { answers: rows, trouble }, |rows| (question, Answer::Versions(rows)))
}

/// Gives a list, and keeps it for a while, for a shorter one unless all peers said what they have. An empty one means
/// nothing unless they did.
fn believe<R>(
    shared: &Shared,
    said: Asked<R>,
    keep: impl FnOnce(Arc<Vec<R>>) -> (Question, Answer),
) -> Result<Option<Arc<Vec<R>>>, ReplicatorError> {
    let rows = Arc::new(said.answers);
    let belief = match said.trouble {
        Some(error) if rows.is_empty() => return Err(error),
        Some(_) => Belief::Partial,
        None => Belief::Whole,
    };
    let (question, answer) = keep(Arc::clone(&rows));
    shared.answers.put(question, answer, belief, clock::monotonic());
    Ok(Some(rows))
}

/// Asks for page after page until one of ours is full.
async fn pages<R: Listed, F>(
    shared: &Shared,
    after: Option<R::Name>,
    limit: u32,
    ask: impl Fn(NodeId, Option<R::Name>) -> F,
) -> Option<Asked<R>>
where
    F: Future<Output = Result<Page<R>, ReplicatorError>>,
{
    let (mut found, mut from, mut trouble) = (Vec::new(), after, None);
    for _ in 0..PAGES {
        let said = all(shared, |peer| ask(peer, from.clone())).await?;
        let pages = said.answers;
        trouble = said.trouble.or(trouble);
        let known_to = pages.iter().filter_map(|page| page.known_to.clone()).min();
        found.extend(merge(pages, known_to.as_ref()));
        if known_to.is_none() || found.len() >= limit as usize {
            break;
        }
        from = known_to;
    }
    found.truncate(limit as usize);
    Some(Asked { answers: found, trouble })
}

/// Asks all connected peers.
async fn all<T, F>(shared: &Shared, ask: impl Fn(NodeId) -> F) -> Option<Asked<T>>
where
    F: Future<Output = Result<T, ReplicatorError>>,
{
    let peers = shared.usable();
    if peers.is_empty() { None } else { Some(ask_all(shared, peers, ask).await) }
}

async fn topics_page(
    shared: &Shared,
    peer: NodeId,
    name: Option<TopicName>,
    after: Option<TopicName>,
    limit: u32,
) -> Result<Page<Topic>, ReplicatorError> {
    let mut session = Session::open_if_connected(shared, &peer).await?;
    let text = |name: &Option<TopicName>| name.as_ref().map(ToString::to_string).unwrap_or_default();
    let request = TopicsRequest { name: text(&name), after: text(&after), page_size: limit };
    let TopicsResponse { topics, next } = session.topics(request).await?;
    session.close().await;
    let fits = |row: &Topic| {
        name.as_ref().is_none_or(|name| row.name == *name) && after.as_ref().is_none_or(|after| row.name > *after)
    };
    let rows = topics.iter().filter_map(|said| wire::topic_row(said).ok()).filter(fits).collect();
    Ok(Page { rows, known_to: next.parse().ok() })
}

async fn datasets_page(
    shared: &Shared,
    peer: NodeId,
    topic: Option<TopicName>,
    after: Option<DatasetRef>,
    limit: u32,
) -> Result<Page<DatasetRow>, ReplicatorError> {
    let mut session = Session::open_if_connected(shared, &peer).await?;
    let request = DatasetsRequest {
        topic: topic.as_ref().map(ToString::to_string).unwrap_or_default(),
        after: after.as_ref().map(ToString::to_string).unwrap_or_default(),
        page_size: limit,
    };
    let DatasetsResponse { datasets, next } = session.datasets(request).await?;
    session.close().await;
    let fits = |row: &DatasetRow| {
        topic.as_ref().is_none_or(|topic| row.name.topic == *topic)
            && after.as_ref().is_none_or(|after| row.name > *after)
    };
    let rows = datasets.iter().filter_map(dataset_row).filter(fits).collect();
    // what is no name cannot be gone on after
    Ok(Page { rows, known_to: next.parse().ok() })
}

fn dataset_row(said: &PeerDataset) -> Option<DatasetRow> {
    let name: DatasetRef = said.name.parse().ok()?;
    let latest = wire::version_row(said.latest.as_ref()?).ok().filter(|latest| latest.dataset == name)?;
    Some(DatasetRow {
        name,
        versions: said.versions,
        highest_number: latest.number,
        created_ms: said.created_ms,
        updated_ms: said.updated_ms,
        latest: Some(latest),
    })
}

/// One list of what several peers have, up to the name to which all of them told what they have.
fn merge<R: Listed>(pages: Vec<Page<R>>, known_to: Option<&R::Name>) -> Vec<R> {
    let mut rows: BTreeMap<R::Name, R> = BTreeMap::new();
    for row in pages.into_iter().flat_map(|page| page.rows) {
        if known_to.is_some_and(|end| row.name() > end) {
            continue;
        }
        match rows.get_mut(row.name()) {
            None => drop(rows.insert(row.name().clone(), row)),
            Some(known) => known.join(row),
        }
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_domain::VersionId;
    use bib_proto::v1::{PeerTopic, PeerTopicRow};

    fn row(name: &str, number: u64, versions: u64) -> DatasetRow {
        let name: DatasetRef = name.parse().unwrap();
        let version = bib_proto::v1::PeerVersion {
            dataset: name.to_string(),
            version: VersionId::from_bytes([number.to_le_bytes()[0]; 32]).as_bytes().to_vec(),
            manifest_bytes: 1,
        };
        let latest = bib_proto::v1::PeerVersionRow {
            version: Some(version),
            number,
            publisher: vec![1; 32],
            ..Default::default()
        };
        let said = PeerDataset { name: name.to_string(), versions, latest: Some(latest), ..Default::default() };
        dataset_row(&said).unwrap()
    }

    fn topic(name: &str, owner: char, created_ms: i64, datasets: u64, bytes: u64) -> Topic {
        let owner = format!("12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDE{owner}");
        let topic = PeerTopic { name: name.to_owned(), description: format!("by {owner}"), owner, created_ms };
        wire::topic_row(&PeerTopicRow { topic: Some(topic), datasets, bytes, updated_ms: created_ms + 5 }).unwrap()
    }

    #[test]
    fn a_topic_of_several_peers_is_its_owners_with_the_most_that_anybody_has() {
        let (own, heard) = (topic("lab", 'p', 10, 2, 700), topic("lab", 'q', 20, 3, 600));
        for pages in [[&own, &heard], [&heard, &own]] {
            let pages = pages.map(|row| Page { rows: vec![row.clone()], known_to: None });
            let merged = merge(pages.into(), None);
            let expected = Topic { datasets: 3, updated_ms: 25, ..own.clone() };
            assert_eq!(merged, [expected]);
        }
        let garbled = PeerTopicRow { topic: None, ..wire::peer_topic_row(&own) };
        wire::topic_row(&garbled).unwrap_err();
        assert_eq!(wire::topic_row(&wire::peer_topic_row(&own)), Ok(own));
    }

    fn page(rows: &[DatasetRow], known_to: Option<&str>) -> Page<DatasetRow> {
        Page { rows: rows.to_vec(), known_to: known_to.map(|name| name.parse().unwrap()) }
    }

    fn shown(rows: &[DatasetRow]) -> Vec<(String, u64, u64)> {
        rows.iter().map(|row| (row.name.to_string(), row.highest_number, row.versions)).collect()
    }

    #[test]
    fn the_newest_of_each_name_is_shown_once() {
        let pages = vec![page(&[row("lab/a", 1, 5), row("lab/b", 2, 2)], None), page(&[row("lab/a", 3, 3)], None)];
        assert_eq!(shown(&merge(pages, None)), [("lab/a".to_owned(), 3, 5), ("lab/b".to_owned(), 2, 2)]);
    }

    #[test]
    fn nothing_is_shown_beyond_what_all_peers_told() {
        let pages =
            vec![page(&[row("lab/a", 1, 1), row("lab/c", 1, 1)], Some("lab/c")), page(&[row("lab/d", 1, 1)], None)];
        let end = "lab/c".parse().unwrap();
        assert_eq!(shown(&merge(pages, Some(&end))), [("lab/a".to_owned(), 1, 1), ("lab/c".to_owned(), 1, 1)]);
    }

    #[test]
    fn what_a_peer_garbles_is_left_out() {
        let good = row("lab/a", 1, 1);
        let latest = wire::peer_row(good.latest.as_ref().unwrap());
        let other = PeerDataset { name: "lab/b".to_owned(), latest: Some(latest.clone()), ..Default::default() };
        assert_eq!(dataset_row(&other), None, "its latest version belongs to another dataset");
        let no_name = PeerDataset { name: "..".to_owned(), latest: Some(latest), ..Default::default() };
        assert_eq!(dataset_row(&no_name), None);
    }
}
