//! Between what nodes say to each other and what this node knows. Never reads a stream.

use bib_domain::{ChunkHash, DatasetRef, NodeId, TopicName, VersionId};
use bib_guardian::{NewTopic, PeerRow, Topic, VersionRow};
use bib_proto::v1::{
    PeerInfo, PeerTopic, PeerTopicRow, PeerVersion, PeerVersionRow, SyncError, SyncRequest, SyncResponse, sync_request,
    sync_response,
};

/// The peer is not paired.
pub(crate) const NOT_PAIRED: &str = "not-paired";
/// What was asked for is not here.
pub(crate) const NOT_FOUND: &str = "not-found";
/// This node serves nobody.
pub(crate) const NOT_SERVING: &str = "not-serving";
/// It cannot answer now.
pub(crate) const BUSY: &str = "busy";

/// The most that is kept of a text of a peer, in bytes.
const TEXT_MAX: usize = 4096;
/// The most addresses that are kept of a peer.
const ADDRESSES_MAX: usize = 16;

/// What a chunk header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkStatus {
    /// The chunk follows.
    Here,
    /// The peer does not have it.
    Absent,
    /// The peer serves nothing to this node.
    Refused,
}

impl ChunkStatus {
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Here => 1,
            Self::Absent => 2,
            Self::Refused => 3,
        }
    }

    pub(crate) const fn of(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::Here),
            2 => Some(Self::Absent),
            3 => Some(Self::Refused),
            _ => None,
        }
    }
}

/// A refusal.
pub(crate) fn sync_error(code: &str, message: impl Into<String>) -> SyncResponse {
    respond(sync_response::Response::Error(SyncError { code: code.to_owned(), message: message.into() }))
}

/// An answer.
pub(crate) const fn respond(response: sync_response::Response) -> SyncResponse {
    SyncResponse { response: Some(response) }
}

/// A request.
pub(crate) const fn ask(request: sync_request::Request) -> SyncRequest {
    SyncRequest { request: Some(request) }
}

pub(crate) fn peer_topic(topic: &Topic) -> PeerTopic {
    PeerTopic {
        name: topic.name.to_string(),
        description: cut(&topic.description),
        owner: topic.owner.to_string(),
        created_ms: topic.created_ms,
    }
}

pub(crate) fn peer_version(version: &VersionRow) -> PeerVersion {
    PeerVersion {
        dataset: version.dataset.to_string(),
        version: version.id.as_bytes().to_vec(),
        manifest_bytes: version.manifest_bytes,
    }
}

/// What a list shows of a version.
pub(crate) fn peer_row(version: &VersionRow) -> PeerVersionRow {
    PeerVersionRow {
        version: Some(peer_version(version)),
        number: version.number,
        created_ms: version.created_ms,
        message: cut(&version.message),
        publisher: version.publisher.to_vec(),
        files: version.files,
        bytes: version.bytes,
        chunks: version.chunks,
        rows: version.rows,
    }
}

/// What a list of a peer shows of a version, as this node's own lists do; it is not here.
pub(crate) fn version_row(said: &PeerVersionRow) -> Result<VersionRow, String> {
    let (dataset, offered) = offer(said.version.as_ref().ok_or("it names no version")?)?;
    Ok(VersionRow {
        id: offered.version,
        dataset,
        number: said.number,
        message: cut(&said.message),
        publisher: said.publisher.as_slice().try_into().map_err(|_| "a publisher's key has 32 bytes")?,
        created_ms: said.created_ms,
        parents: Vec::new(),
        files: said.files,
        bytes: said.bytes,
        chunks: said.chunks,
        rows: said.rows,
        complete: false,
        completed_ms: 0,
        position: 0,
        manifest_bytes: offered.manifest_bytes,
        audit_seq: 0,
    })
}

/// A topic that a peer told of. Its owner is whom the peer names; nothing is granted by that.
pub(crate) fn new_topic(topic: &PeerTopic) -> Result<NewTopic, String> {
    Ok(NewTopic {
        name: topic.name.parse().map_err(|error: bib_domain::NameError| error.to_string())?,
        description: cut(&topic.description),
        owner: topic.owner.parse().map_err(|error: bib_domain::NameError| error.to_string())?,
        created_ms: topic.created_ms,
        if_not_exists: true,
    })
}

/// A topic as a list shows it.
pub(crate) fn peer_topic_row(topic: &Topic) -> PeerTopicRow {
    PeerTopicRow {
        topic: Some(peer_topic(topic)),
        datasets: topic.datasets,
        bytes: topic.bytes,
        updated_ms: topic.updated_ms,
    }
}

/// A topic that a peer has, as somebody sees it who is not subscribed to it.
pub(crate) fn topic_row(said: &PeerTopicRow) -> Result<Topic, String> {
    let topic = said.topic.as_ref().ok_or("a row without a topic")?;
    let NewTopic { name, description, owner, created_ms, if_not_exists: _ } = new_topic(topic)?;
    let &PeerTopicRow { topic: _, datasets, bytes, updated_ms } = said;
    Ok(Topic { name, description, owner, datasets, bytes, subscribed: false, created_ms, updated_ms })
}

/// The topic of a version of which the peer told nothing else.
pub(crate) const fn bare_topic(name: TopicName, owner: NodeId, created_ms: i64) -> NewTopic {
    NewTopic { name, description: String::new(), owner, created_ms, if_not_exists: true }
}

/// A version that a peer offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) version: VersionId,
    pub(crate) manifest_bytes: u64,
}

/// Reads an offer.
pub(crate) fn offer(version: &PeerVersion) -> Result<(DatasetRef, Offer), String> {
    let dataset = version.dataset.parse().map_err(|error: bib_domain::NameError| error.to_string())?;
    let id = VersionId::from_slice(&version.version).map_err(|error| error.to_string())?;
    Ok((dataset, Offer { version: id, manifest_bytes: version.manifest_bytes }))
}

/// The names of a chunk request; `None` when one is no name.
pub(crate) fn hashes(names: &[Vec<u8>]) -> Option<Vec<ChunkHash>> {
    names.iter().map(|name| ChunkHash::from_slice(name).ok()).collect()
}

/// What a peer says about itself, in bounds. What it says about others is not asked.
pub(crate) fn apply_info(row: &mut PeerRow, info: &PeerInfo) {
    row.name = cut(&info.name);
    row.mode = word(&info.mode, &["full", "selective", "proxy"]);
    row.storage = word(&info.storage, &["postgres", "sqlite"]);
    let addresses = info.addresses.iter().filter(|text| (1..=255).contains(&text.len()));
    let mut addresses: Vec<String> = addresses.take(ADDRESSES_MAX).cloned().collect();
    for old in std::mem::take(&mut row.addresses) {
        if addresses.len() < ADDRESSES_MAX && !addresses.contains(&old) {
            addresses.push(old);
        }
    }
    row.addresses = addresses;
}

fn word(said: &str, known: &[&str]) -> String {
    if known.contains(&said) { said.to_owned() } else { String::new() }
}

/// The beginning of a text, without control characters.
pub(crate) fn cut(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control());
    let mut kept = String::new();
    for c in clean {
        if kept.len() + c.len_utf8() > TEXT_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_both_ways() {
        for status in [ChunkStatus::Here, ChunkStatus::Absent, ChunkStatus::Refused] {
            assert_eq!(ChunkStatus::of(status.code()), Some(status));
        }
        assert_eq!(ChunkStatus::of(0), None, "a header that says nothing is no answer");
    }

    #[test]
    fn a_peer_cannot_fill_the_memory() {
        assert_eq!(cut("a\n\u{1b}[2Jb"), "a[2Jb");
        assert!(cut(&"é".repeat(5000)).len() <= TEXT_MAX);
    }
}
