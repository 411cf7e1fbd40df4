//! What the audit chain can be asked. Other crates use the verbs of the handle.

use crate::draft::AuditDraft;
use crate::error::AuditError;
use crate::handle::{Receipt, Unsettled};
use crate::log::Head;
use crate::read::{AuditVerdict, ListFilter};
use crate::record::AuditRecord;
use bib_kit::Message;

/// Write a record and answer when it is durable.
pub(crate) struct Append {
    pub(crate) draft: AuditDraft,
}

impl Message for Append {
    type Reply = Result<Receipt, AuditError>;
}

/// Take a record that is durable soon.
pub(crate) struct AppendBuffered {
    pub(crate) draft: AuditDraft,
}

impl Message for AppendBuffered {
    type Reply = Result<(), AuditError>;
}

/// Verify the whole log.
pub(crate) struct Verify;

impl Message for Verify {
    type Reply = Result<AuditVerdict, AuditError>;
}

/// A page of records, latest first.
pub(crate) struct List {
    pub(crate) filter: ListFilter,
}

impl Message for List {
    type Reply = Result<Vec<AuditRecord>, AuditError>;
}

/// Records after a position, oldest first.
pub(crate) struct ExportSince {
    pub(crate) seq: u64,
    pub(crate) limit: usize,
}

impl Message for ExportSince {
    type Reply = Result<Vec<AuditRecord>, AuditError>;
}

/// The intents without an outcome.
pub(crate) struct AskUnsettled;

impl Message for AskUnsettled {
    type Reply = Result<Vec<Unsettled>, AuditError>;
}

/// The end of the log.
pub(crate) struct AskHead;

impl Message for AskHead {
    type Reply = Head;
}
