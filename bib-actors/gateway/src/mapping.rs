//! From the errors of the crates below to [`Problem`]s: the one place where a status code is chosen for them.

use crate::problem::Problem;
use bib_audit::AuditError;
use bib_chunks::{ChunkError, ManifestError};
use bib_domain::{NameError, PathError};
use bib_guardian::{GuardianError, InviteError};
use bib_kit::{AskError, BlockingError, TooManyTasks};
use bib_query::{FetchError, InvalidExpression, LimitKind, QueryError};
use bib_replicator::ReplicatorError;
use bib_swarm::SwarmError;
use std::time::Duration;
use tonic::Code;

/// When to try again after an actor was away: a restart takes well under a second.
const SOON: Duration = Duration::from_millis(500);
/// When to try again after the node was busy.
const LATER: Duration = Duration::from_secs(2);

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let (code, reason, delay) = match &error {
            AskError::Overloaded { .. } => (Code::ResourceExhausted, "ACTOR_OVERLOADED", LATER),
            AskError::Restarting { .. } => (Code::Unavailable, "ACTOR_RESTARTING", SOON),
            AskError::NotDelivered { .. } => (Code::Unavailable, "ACTOR_NOT_REACHED", SOON),
            AskError::Timeout { .. } => (Code::DeadlineExceeded, "ACTOR_TIMEOUT", LATER),
            _ => (Code::Unavailable, "OUTCOME_UNKNOWN", SOON),
        };
        let problem = Self::new(code, reason, error.to_string()).with("actor", error.actor()).retry_after(delay);
        if error.nothing_was_done() {
            problem
        } else {
            problem.hint("send the same request again, with the same request id")
        }
    }
}

impl From<BlockingError> for Problem {
    fn from(error: BlockingError) -> Self {
        match error {
            BlockingError::ShuttingDown => {
                Self::new(Code::Unavailable, "SHUTTING_DOWN", "the node is stopping; nothing was done")
                    .retry_after(LATER)
            }
            other => Self::internal(other),
        }
    }
}

impl From<TooManyTasks> for Problem {
    fn from(error: TooManyTasks) -> Self {
        busy("calls", error.limit)
    }
}

/// The answer when a bound of the gateway itself is reached.
pub(crate) fn busy(what: &str, limit: usize) -> Problem {
    Problem::new(
        Code::ResourceExhausted,
        "NODE_BUSY",
        format!("the node has {limit} {what} under way, which is its limit; nothing was done"),
    )
    .hint("try again in a moment")
    .with("limit", limit.to_string())
    .retry_after(LATER)
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Ask(ask) => ask.into(),
            AuditError::NotWritable { .. } => Self::new(Code::Unavailable, "AUDIT_NOT_WRITABLE", error.to_string())
                .hint("an administrator of the node: free space or repair the disk under its data directory")
                .retry_after(LATER),
            AuditError::NoRoom { .. } => disk_full(error.to_string()),
            AuditError::Damaged { seq, .. } => Self::new(Code::DataLoss, "AUDIT_DAMAGED", error.to_string())
                .hint("bib admin audit verify")
                .with("seq", seq.to_string()),
            AuditError::NothingFound { next, .. } => {
                Self::new(Code::ResourceExhausted, "AUDIT_SEARCH_LIMIT", error.to_string())
                    .with("next", next.to_string())
            }
            other => Self::internal(other),
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::invalid("name", "BAD_NAME", error.to_string())
    }
}

impl From<PathError> for Problem {
    fn from(error: PathError) -> Self {
        Self::invalid("entry.path", "BAD_PATH", error.to_string())
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        Self::new(Code::FailedPrecondition, "TICKET_REFUSED", error.to_string()).hint("bib invite")
    }
}

impl From<GuardianError> for Problem {
    fn from(error: GuardianError) -> Self {
        use GuardianError as E;
        let text = error.to_string();
        match error {
            E::Ask(ask) => ask.into(),
            E::AuditUnavailable { .. } => Self::new(Code::Unavailable, "AUDIT_NOT_WRITABLE", text)
                .hint("an administrator of the node: free space or repair the disk under its data directory")
                .retry_after(LATER),
            E::DiskFull { .. } => disk_full(text),
            E::Overloaded { .. } => Self::new(Code::ResourceExhausted, "DATABASE_BUSY", text).retry_after(LATER),
            E::Unavailable { .. } => {
                Self::new(Code::Unavailable, "DATABASE_UNAVAILABLE", text).hint("bib status").retry_after(LATER)
            }
            E::GoingDown => Self::new(Code::Unavailable, "OUTCOME_UNKNOWN", text).retry_after(SOON),
            E::TopicExists { name } => Self::new(Code::AlreadyExists, "TOPIC_EXISTS", text)
                .hint(format!("bib topic get {name}"))
                .with("topic", name.as_str()),
            E::TopicNotFound { name } => topic_not_found(name.as_str()),
            E::DatasetNotFound { name } => dataset_not_found(&name.to_string()),
            E::VersionNotFound { dataset, selector } => Self::not_found("VERSION_NOT_FOUND", text)
                .hint(format!("bib dataset versions {dataset}"))
                .with("dataset", dataset.to_string())
                .with("version", selector),
            E::NoSuchVersion { id } => Self::not_found("VERSION_NOT_FOUND", text).with("version", id.to_string()),
            E::Ambiguous { dataset, selector, .. } => Self::invalid("version", "VERSION_AMBIGUOUS", text)
                .hint(format!("bib dataset versions {dataset}"))
                .with("version", selector),
            E::NumberTaken { dataset, .. } => Self::new(Code::Aborted, "VERSION_CONFLICT", text)
                .hint("send the upload again")
                .with("dataset", dataset.to_string())
                .retry_after(SOON),
            E::ChunksGone { .. } => {
                Self::new(Code::Aborted, "CHUNKS_GONE", text).hint("send the upload again").retry_after(SOON)
            }
            E::Chunks(chunk) => chunk.into(),
            E::BadManifest { .. } => Self::invalid("header.dataset", "BAD_MANIFEST", text),
            E::ManifestHurt { id, .. } => {
                Self::new(Code::DataLoss, "MANIFEST_DAMAGED", text).hint("bib status").with("version", id.to_string())
            }
            E::Invite(invite) => invite.into(),
            E::PeerNotFound { node } => node_not_found(node.as_str()),
            E::UserNotFound { .. } => Self::not_found("USER_NOT_FOUND", text),
            E::KeyTaken { .. } => Self::new(Code::AlreadyExists, "KEY_TAKEN", text),
            E::OutOfRange { .. } => Self::new(Code::OutOfRange, "OUT_OF_RANGE", text),
            E::Mode(_) => Self::new(Code::FailedPrecondition, "MODE_NEEDS_POSTGRES", text),
            other => Self::internal(other),
        }
    }
}

/// There is no room for what was asked.
fn disk_full(text: String) -> Problem {
    Problem::new(Code::ResourceExhausted, "DISK_FULL", text)
        .hint("free space under the node's data directory (bib status says where and how much), then send it again")
        .retry_after(LATER)
}

/// There is no such topic here.
pub(crate) fn topic_not_found(name: &str) -> Problem {
    Problem::not_found("TOPIC_NOT_FOUND", format!("there is no topic {name} on this node"))
        .hint(format!("bib topic create {name}"))
        .with("topic", name)
}

/// There is no such dataset here.
pub(crate) fn dataset_not_found(name: &str) -> Problem {
    Problem::not_found("DATASET_NOT_FOUND", format!("there is no dataset {name} on this node"))
        .hint("bib dataset list")
        .with("dataset", name)
}

/// There is no such node in the lists.
pub(crate) fn node_not_found(id: &str) -> Problem {
    Problem::not_found("NODE_NOT_FOUND", format!("node {id} is neither paired with this one nor connected"))
        .hint("bib node list")
        .with("node", id)
}

/// The version's chunks are not all here.
pub(crate) fn incomplete(dataset: &str) -> Problem {
    Problem::new(
        Code::Unavailable,
        "VERSION_INCOMPLETE",
        format!(
            "{dataset} is not complete on this node: its chunks are still being fetched from other nodes, or only those \
             that queries needed are here"
        ),
    )
    .hint("bib status, or bib topic subscribe TOPIC to have all of it fetched")
    .with("dataset", dataset)
    .retry_after(LATER)
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Path(path) => path.into(),
            ManifestError::Limit { .. } => Self::invalid("entry", "VERSION_TOO_LARGE", error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<ChunkError> for Problem {
    fn from(error: ChunkError) -> Self {
        let text = error.to_string();
        match error {
            ChunkError::Path(path) => path.into(),
            ChunkError::Manifest(manifest) => manifest.into(),
            ChunkError::Limit { .. } => Self::invalid("entry", "VERSION_TOO_LARGE", text),
            ChunkError::Missing { hash, damaged: false } => Self::new(Code::Unavailable, "CHUNK_MISSING", text)
                .hint("connect a node that has this version (bib node list), then try again")
                .with("chunk", hash.to_string()),
            ChunkError::Corrupt { hash, .. } | ChunkError::Missing { hash, damaged: true } => {
                Self::new(Code::DataLoss, "CHUNK_DAMAGED", text)
                    .hint("connect a node that has this version (bib node list); the chunk is fetched again")
                    .with("chunk", hash.to_string())
            }
            ChunkError::NoSuchFile { path } => Self::not_found("FILE_NOT_FOUND", text).with("path", path),
            ChunkError::NotAFile { path } => Self::invalid("paths", "NOT_A_FILE", text).with("path", path),
            ref full if full.is_storage_full() => disk_full(text),
            other => Self::internal(other),
        }
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let text = error.to_string();
        match error {
            QueryError::InvalidExpression(place) => misplaced("expression", text, *place),
            QueryError::InvalidFilter(place) => misplaced("filter", text, *place),
            QueryError::Column { name, suggestion, .. } => {
                Self::invalid("column", "COLUMN_UNUSABLE", text).hint(suggestion).with("name", name)
            }
            QueryError::NotFound { suggestions, .. } => {
                let problem = Self::not_found("DATASET_NOT_FOUND", text).hint("bib dataset list");
                if suggestions.is_empty() { problem } else { problem.with("suggestions", suggestions.join(", ")) }
            }
            QueryError::Incomplete { dataset } => incomplete(&dataset),
            QueryError::Elsewhere { why: FetchError::Late, .. } => {
                Self::new(Code::DeadlineExceeded, "QUERY_TIMEOUT", text)
            }
            QueryError::Elsewhere { dataset, chunks, bytes, .. } => {
                Self::new(Code::Unavailable, "CHUNKS_ELSEWHERE", text)
                    .hint("bib node list")
                    .with("dataset", dataset)
                    .with("chunks", chunks.to_string())
                    .with("bytes", bytes.to_string())
                    .retry_after(LATER)
            }
            QueryError::Limit {
                which: LimitKind::ExpressionBytes | LimitKind::ExpressionDepth | LimitKind::ExpressionNodes,
                limit,
            } => Self::invalid("expression", "EXPRESSION_TOO_LARGE", text).with("limit", limit.to_string()),
            QueryError::Limit { limit, .. } => {
                Self::new(Code::ResourceExhausted, "QUERY_LIMIT", text).with("limit", limit.to_string())
            }
            QueryError::Timeout { .. } => Self::new(Code::DeadlineExceeded, "QUERY_TIMEOUT", text),
            QueryError::Data { file, .. } => Self::new(Code::DataLoss, "TABLE_UNREADABLE", text).with("file", file),
            QueryError::Computation { .. } => Self::new(Code::InvalidArgument, "QUERY_FAILED", text),
            QueryError::Catalog(_) => Self::new(Code::Unavailable, "CATALOG_UNAVAILABLE", text).retry_after(LATER),
            other @ QueryError::Internal(_) => Self::internal(other),
        }
    }
}

/// An expression or a filter that cannot run, with its place.
fn misplaced(part: &'static str, text: String, place: InvalidExpression) -> Problem {
    let problem = Problem::invalid(part, "INVALID_EXPRESSION", text)
        .with("part", part)
        .with("what", place.message)
        .with("line", place.line.to_string())
        .with("column", place.column.to_string())
        .with("width", place.width.to_string());
    match place.suggestion {
        Some(suggestion) => problem.hint(suggestion),
        None => problem,
    }
}

impl From<SwarmError> for Problem {
    fn from(error: SwarmError) -> Self {
        use SwarmError as E;
        let text = error.to_string();
        match error {
            E::Ask(ask) => ask.into(),
            E::Stopped => Self::new(Code::Unavailable, "SWARM_RESTARTING", text).retry_after(SOON),
            E::Busy { .. } => Self::new(Code::ResourceExhausted, "SWARM_BUSY", text).retry_after(LATER),
            E::NotAnEd25519Node { .. } => Self::invalid("id", "BAD_NODE_ID", text),
            E::BadAddress { .. } => Self::invalid("address", "BAD_ADDRESS", text),
            E::DialSelf { .. } => Self::invalid("address", "ADDRESS_IS_SELF", text),
            E::WrongPeer { .. } => Self::new(Code::FailedPrecondition, "WRONG_NODE", text).hint("bib node list"),
            E::NoAddress { peer } => Self::new(Code::FailedPrecondition, "ADDRESS_UNKNOWN", text)
                .hint("bib node connect ADDRESS")
                .with("node", peer.as_str()),
            E::Unreachable { .. } => Self::new(Code::Unavailable, "PEER_UNREACHABLE", text).hint("bib node list"),
            E::Limit { .. } => Self::new(Code::ResourceExhausted, "CONNECTION_LIMIT", text).retry_after(LATER),
            E::NotConnected { .. } => Self::new(Code::Unavailable, "PEER_DISCONNECTED", text).retry_after(SOON),
            E::Refused { .. } => Self::new(Code::FailedPrecondition, "PEER_REFUSED", text)
                .hint("bib invite, then bib join on the other node"),
            E::Timeout { .. } => Self::new(Code::DeadlineExceeded, "PEER_TIMEOUT", text).retry_after(LATER),
            other => Self::internal(other),
        }
    }
}

impl From<ReplicatorError> for Problem {
    fn from(error: ReplicatorError) -> Self {
        use ReplicatorError as E;
        let text = error.to_string();
        match error {
            E::Ask(ask) => ask.into(),
            E::Guardian(guardian) => guardian.into(),
            E::Swarm(swarm) => swarm.into(),
            E::Audit(audit) => audit.into(),
            E::Chunk(chunk) => chunk.into(),
            E::Blocking(blocking) => blocking.into(),
            E::Ticket(_) => Self::invalid("ticket", "BAD_TICKET", text).hint("bib invite, on the other node"),
            E::TicketExpired { .. } => {
                Self::new(Code::FailedPrecondition, "TICKET_EXPIRED", text).hint("bib invite, on the other node")
            }
            E::OwnTicket => Self::invalid("ticket", "OWN_TICKET", text),
            E::BadLifetime { .. } => Self::invalid("ttl_seconds", "BAD_LIFETIME", text),
            E::NotListening => Self::new(Code::FailedPrecondition, "NOT_LISTENING", text),
            E::Unreachable { node, .. } => {
                Self::new(Code::Unavailable, "PEER_UNREACHABLE", text).with("node", node.as_str())
            }
            E::PairingRefused { node, .. } => Self::new(Code::FailedPrecondition, "TICKET_REFUSED", text)
                .hint("bib invite, on the other node")
                .with("node", node.as_str()),
            E::Alone | E::Unfetched { .. } => {
                Self::new(Code::Unavailable, "CHUNKS_ELSEWHERE", text).hint("bib node list").retry_after(LATER)
            }
            E::Late => Self::new(Code::DeadlineExceeded, "PEER_TIMEOUT", text).retry_after(LATER),
            E::Exchange { .. } | E::Peer { .. } => Self::new(Code::Unavailable, "PEER_FAILED", text).retry_after(LATER),
            E::Protocol { .. } => Self::new(Code::FailedPrecondition, "PEER_PROTOCOL", text),
            E::Lied { .. } => Self::new(Code::DataLoss, "PEER_LIED", text),
            E::Stopped => Self::new(Code::Unavailable, "REPLICATOR_RESTARTING", text).retry_after(SOON),
            other => Self::internal(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_without_an_answer_say_whether_to_try_again() {
        let actor = "guardian";
        let after = Duration::from_secs(1);
        let cases = [
            (AskError::Overloaded { actor, capacity: 4 }, Code::ResourceExhausted),
            (AskError::Restarting { actor }, Code::Unavailable),
            (AskError::NotDelivered { actor }, Code::Unavailable),
            (AskError::Timeout { actor, after }, Code::DeadlineExceeded),
            (AskError::Unknown { actor }, Code::Unavailable),
        ];
        for (error, code) in cases {
            let certain = error.nothing_was_done();
            let problem = Problem::from(GuardianError::Ask(error));
            assert_eq!(problem.code(), code, "{problem:?}");
            let status = problem.into_status(&bib_domain::RequestId::from_bytes([1; 16]));
            use tonic_types::StatusExt;
            let details = status.get_error_details();
            assert!(details.retry_info().is_some_and(|retry| retry.retry_delay.is_some()), "{details:?}");
            assert_eq!(details.error_info().unwrap().metadata["actor"], actor);
            // who may have been heard must come back under the same name
            assert_eq!(details.localized_message().is_some(), !certain);
        }
    }

    #[test]
    fn what_fails_inside_is_not_told_outside() {
        let secret = GuardianError::Setup("the password is swordfish".to_owned());
        let problem = Problem::from(secret);
        assert_eq!(problem.code(), Code::Internal);
        assert!(!format!("{problem:?}").contains("swordfish"));
    }
}
