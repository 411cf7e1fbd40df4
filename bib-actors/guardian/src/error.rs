//! What can go wrong in the guardian, in words that say what it means and what to do.

use bib_domain::{DatasetRef, ModeRefusal, NodeId, TopicName, VersionId};
use bib_kit::AskError;
use std::path::PathBuf;

/// Why an invitation was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// No invitation has this secret.
    #[error(
        "the ticket is not known to this node: check that it was copied whole and was made here, or make a new one with \"bib invite\""
    )]
    Unknown,
    /// It was good until some time ago.
    #[error("the ticket has expired: make a new one with \"bib invite\"")]
    Expired,
    /// Somebody paired with it already.
    #[error("the ticket was used before and is good only once: make a new one with \"bib invite\"")]
    Used,
}

/// What can go wrong in the guardian.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    /// The actor could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The audit log does not take records, so nothing may change.
    #[error(
        "nothing was acknowledged because the audit log cannot be written ({reason}): free space or repair its disk, then send the same request again"
    )]
    AuditUnavailable {
        /// What the audit chain said.
        reason: String,
    },
    /// There is no room on a disk, so nothing may grow.
    #[error("{notice}; nothing was changed")]
    DiskFull {
        /// Where, how much is missing, and what to do.
        notice: String,
    },
    /// The database has so much to do that no connection became free, or that a statement waited too long for another.
    #[error("the database is busy ({reason}): nothing was acknowledged; send the same request again in a moment")]
    Overloaded {
        /// What was waited for.
        reason: String,
    },
    /// The database cannot be reached.
    #[error(
        "the database cannot be reached ({reason}): nothing was acknowledged, the node is starting it again; try again in a few seconds"
    )]
    Unavailable {
        /// What failed.
        reason: String,
    },
    /// The database refused a statement.
    #[error(
        "the database refused a statement ({reason}): nothing was changed; this is a fault of bibd, please report it with the node's log"
    )]
    Statement {
        /// The database's code and message, without values.
        reason: String,
    },
    /// The work's task ended before its answer: the guardian is going down.
    #[error("the guardian is going down and the outcome is unknown: send the same request again")]
    GoingDown,
    /// There is a topic of that name.
    #[error("topic {name} is there already: use it as it is, or choose another name")]
    TopicExists {
        /// Its name.
        name: TopicName,
    },
    /// There is no topic of that name.
    #[error(
        "there is no topic {name} on this node: list the topics with \"bib topic list\", or make it with \"bib topic create {name}\""
    )]
    TopicNotFound {
        /// What was asked for.
        name: TopicName,
    },
    /// There is no dataset of that name.
    #[error("there is no dataset {name} on this node: list the datasets with \"bib dataset list\"")]
    DatasetNotFound {
        /// What was asked for.
        name: DatasetRef,
    },
    /// The dataset has no such version.
    #[error("dataset {dataset} has no version {selector:?}: list its versions with \"bib dataset versions {dataset}\"")]
    VersionNotFound {
        /// The dataset.
        dataset: DatasetRef,
        /// What was asked for.
        selector: String,
    },
    /// No version has this id.
    #[error("version {id} is not in this node's catalogue")]
    NoSuchVersion {
        /// What was asked for.
        id: VersionId,
    },
    /// More than one version fits.
    #[error("{selector:?} fits more than one version of {dataset}: {}; give more digits of the id", matches.iter().map(VersionId::short).collect::<Vec<_>>().join(", "))]
    Ambiguous {
        /// The dataset.
        dataset: DatasetRef,
        /// What was asked for.
        selector: String,
        /// Some that fit.
        matches: Vec<VersionId>,
    },
    /// This node signed another version with that number meanwhile.
    #[error(
        "version {number} of {dataset} was published meanwhile by another request: send the upload again, it becomes the next version"
    )]
    NumberTaken {
        /// The dataset.
        dataset: DatasetRef,
        /// The number.
        number: u64,
    },
    /// Another node's version has a number that leaves no room for those that come after it.
    #[error(
        "version {number} of {dataset} is far beyond the highest one, which is {highest}: it is not taken, since no number would be left for later ones"
    )]
    NumberFar {
        /// The dataset.
        dataset: DatasetRef,
        /// The number.
        number: u64,
        /// The highest number of its versions here.
        highest: u64,
    },
    /// The version is said to be whole, and is not.
    #[error(
        "{missing} of the version's chunks are not in this node's store: they were removed since they came, because nobody named \
         them; send the upload again"
    )]
    ChunksGone {
        /// How many.
        missing: usize,
    },
    /// The chunk store failed.
    #[error(transparent)]
    Chunks(#[from] bib_chunks::ChunkError),
    /// The manifest names a dataset that cannot be kept.
    #[error("the manifest cannot be kept: {reason}")]
    BadManifest {
        /// Why.
        reason: String,
    },
    /// A manifest that the catalogue names is not on disk, or not what it was.
    #[error("the manifest of version {id} is hurt ({reason}): fetch it again from a peer, or restore {}", path.display())]
    ManifestHurt {
        /// The version.
        id: VersionId,
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An invitation was not accepted.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// No such peer.
    #[error("{node} is not a paired node: list them with \"bib node list\"")]
    PeerNotFound {
        /// What was asked for.
        node: NodeId,
    },
    /// No such user.
    #[error("there is no user {name:?} on this node")]
    UserNotFound {
        /// What was asked for.
        name: String,
    },
    /// A key belongs to somebody else.
    #[error("the key {fingerprint} belongs to another user already: each key names one person")]
    KeyTaken {
        /// The key.
        fingerprint: String,
    },
    /// A value is too large or too small for the catalogue.
    #[error("{what} cannot be kept in the catalogue: it is out of range")]
    OutOfRange {
        /// Which value.
        what: &'static str,
    },
    /// The storage cannot carry the node's mode.
    #[error(transparent)]
    Mode(#[from] ModeRefusal),
    /// Reading or writing a file failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Something else about this machine keeps the database from running; the message says what and what to do.
    #[error("{0}")]
    Setup(String),
}

impl GuardianError {
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { doing, path, source }
    }

    /// Whether the guardian decided against the request, rather than failing to carry it out.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::DiskFull { .. }
                | Self::TopicExists { .. }
                | Self::TopicNotFound { .. }
                | Self::DatasetNotFound { .. }
                | Self::VersionNotFound { .. }
                | Self::NoSuchVersion { .. }
                | Self::Ambiguous { .. }
                | Self::NumberTaken { .. }
                | Self::NumberFar { .. }
                | Self::ChunksGone { .. }
                | Self::BadManifest { .. }
                | Self::Invite(_)
                | Self::PeerNotFound { .. }
                | Self::UserNotFound { .. }
                | Self::KeyTaken { .. }
                | Self::OutOfRange { .. }
        )
    }
}
