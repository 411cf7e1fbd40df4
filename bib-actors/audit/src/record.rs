//! One record of the log, owned.

use crate::format::{FormatError, Hash, RecordView, encode_record, leaf_hash};
use crate::outcome::Outcome;
use bib_domain::{NodeId, RequestId};
use std::fmt;

/// One record of the log. Every field but [`leaf_hash`](Self::leaf_hash) stands in its bytes, in this order, after the
/// version.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Which log of this node; a node restored from an older backup opens the next one.
    pub epoch: u64,
    /// Position in the log, from 1. It is the leaf index of the record's Merkle tree plus one.
    pub seq: u64,
    /// Leaf hash of the record before; all zero in the first one.
    pub prev_hash: Hash,
    /// Wall clock, nanoseconds since 1970.
    pub unix_ns: u64,
    /// Nanoseconds on a clock that never goes back, since the log was opened.
    pub monotonic_ns: u64,
    /// What is to be known about the clocks: `CLOCK_WENT_BACK`, `CLOCK_RESTARTED`.
    pub clock_flags: u64,
    /// The node that wrote the record.
    pub node_id: NodeId,
    /// Who asked, for example `user:mara`, `peer:12D3KooW...`, `node`.
    pub actor: String,
    /// SHA-256 of the session token.
    pub session_hash: Option<[u8; 32]>,
    /// The job on whose behalf it was done.
    pub job_id: Option<String>,
    /// Names the operation: all records of one operation carry the same.
    pub op_id: RequestId,
    /// The role under which it was done.
    pub role: String,
    /// What was done, for example `dataset.publish`.
    pub action: String,
    /// To what, for example `flights/2013`.
    pub object: String,
    /// Groups statements or queries of one shape; without values.
    pub fingerprint: Option<String>,
    /// Rows read or changed.
    pub rows: Option<u64>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Which part of the node did it.
    pub component: String,
    /// How it stands.
    pub outcome: Outcome,
    /// Names of the parameters, each with the HMAC of its value.
    pub params: Vec<(String, Hash)>,
    /// Whether it was done under emergency access.
    pub break_glass: bool,
    /// What else is to be known, in clear.
    pub metadata: Vec<(String, String)>,
    /// Random bytes, so that a leaf hash tells nothing about a record that can be guessed.
    pub salt: [u8; 32],
    /// The hash of all of the above.
    pub leaf_hash: Hash,
}

impl AuditRecord {
    /// The canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        encode_record(self, &mut out);
        out
    }

    /// Reads canonical bytes and computes their leaf hash.
    ///
    /// # Errors
    /// [`FormatError`] for bytes that the encoder would not have written.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::from_view(&RecordView::parse(bytes)?, leaf_hash(bytes))
    }

    /// Takes a parsed record over. `leaf_hash` must be the hash of its bytes.
    ///
    /// # Errors
    /// [`FormatError`] when the node id is not one.
    pub fn from_view(view: &RecordView<'_>, leaf_hash: Hash) -> Result<Self, FormatError> {
        let node_id =
            view.node_id.parse().map_err(|_| FormatError { field: "node_id", problem: "does not name a node" })?;
        Ok(Self {
            epoch: view.epoch,
            seq: view.seq,
            prev_hash: *view.prev_hash,
            unix_ns: view.unix_ns,
            monotonic_ns: view.monotonic_ns,
            clock_flags: view.clock_flags,
            node_id,
            actor: view.actor.to_owned(),
            session_hash: view.session_hash.copied(),
            job_id: view.job_id.map(str::to_owned),
            op_id: RequestId::from_bytes(*view.op_id),
            role: view.role.to_owned(),
            action: view.action.to_owned(),
            object: view.object.to_owned(),
            fingerprint: view.fingerprint.map(str::to_owned),
            rows: view.rows,
            duration_us: view.duration_us,
            component: view.component.to_owned(),
            outcome: view.outcome,
            params: view.params(),
            break_glass: view.break_glass,
            metadata: view.metadata(),
            salt: *view.salt,
            leaf_hash,
        })
    }

    /// The value of a metadata pair.
    #[must_use]
    pub fn metadata(&self, name: &str) -> Option<&str> {
        self.metadata.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for AuditRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditRecord")
            .field("epoch", &self.epoch)
            .field("seq", &self.seq)
            .field("actor", &self.actor)
            .field("action", &self.action)
            .field("object", &self.object)
            .field("outcome", &self.outcome)
            .field("leaf_hash", &hex::encode(self.leaf_hash))
            .finish_non_exhaustive()
    }
}
