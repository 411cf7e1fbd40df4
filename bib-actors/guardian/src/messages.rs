//! What the guardian can be asked. Other crates use the verbs of the handle.
//!
//! Every operation is a message with its own reply; the frame that carries it out is the same for all changes and for
//! all reads.

use crate::audited::{Change, Look};
use crate::error::GuardianError;
use crate::rows::{AuditIndexStatus, StorageInfo};
use bib_chunks::SignedManifest;
use bib_domain::{OpContext, VersionId};
use bib_kit::Message;
use std::sync::Arc;

/// Carry out a change.
pub(crate) struct Do<C>(pub(crate) C);

impl<C: Change> Message for Do<C> {
    type Reply = Result<C::Output, GuardianError>;
}

/// Carry out a read.
pub(crate) struct See<L> {
    pub(crate) cx: OpContext,
    pub(crate) look: L,
}

impl<L: Look> Message for See<L> {
    type Reply = Result<L::Output, GuardianError>;
}

/// Where the metadata is.
pub(crate) struct AskStorage;

impl Message for AskStorage {
    type Reply = StorageInfo;
}

/// A manifest, if the catalogue names it.
pub(crate) struct AskManifest {
    pub(crate) cx: OpContext,
    pub(crate) id: VersionId,
}

impl Message for AskManifest {
    type Reply = Result<Option<Arc<SignedManifest>>, GuardianError>;
}

/// How far the audit table follows the log.
pub(crate) struct AskIndexStatus {
    pub(crate) cx: OpContext,
}

impl Message for AskIndexStatus {
    type Reply = Result<AuditIndexStatus, GuardianError>;
}

/// Fill the audit table anew.
pub(crate) struct RebuildIndex {
    pub(crate) cx: OpContext,
}

impl Message for RebuildIndex {
    type Reply = Result<u64, GuardianError>;
}
