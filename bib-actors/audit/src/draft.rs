//! What a caller says about an operation; the log adds position, times, hashes and salt.

use crate::format::{bound, tidy, tidy_pairs};
use crate::outcome::Outcome;
use crate::record::AuditRecord;
use bib_domain::{OpContext, RequestId};
use std::fmt;
use std::time::Duration;

/// A record to be. Make it with [`AuditDraft::from_op`] and the setters.
#[derive(Clone, PartialEq, Eq)]
pub struct AuditDraft {
    /// Who asked.
    pub actor: String,
    /// SHA-256 of the session token.
    pub session_hash: Option<[u8; 32]>,
    /// The job on whose behalf it is done.
    pub job_id: Option<String>,
    /// Names the operation.
    pub op_id: RequestId,
    /// The role under which it is done.
    pub role: String,
    /// What is done, for example `dataset.publish`.
    pub action: String,
    /// To what, for example `flights/2013`.
    pub object: String,
    /// The shape of a statement or query, without values.
    pub fingerprint: Option<String>,
    /// Rows read or changed.
    pub rows: Option<u64>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Which part of the node does it.
    pub component: String,
    /// How it stands.
    pub outcome: Outcome,
    /// Parameters. Their values are replaced by HMACs before anything is written.
    pub params: Vec<(String, String)>,
    /// Whether it is done under emergency access.
    pub break_glass: bool,
    /// What else is to be known. Written in clear: no secrets here.
    pub metadata: Vec<(String, String)>,
}

impl AuditDraft {
    /// A draft about `action` on `object`, with who, role, session, operation id and component taken from `op`.
    #[must_use]
    pub fn from_op(op: &OpContext, action: impl Into<String>, object: impl Into<String>) -> Self {
        Self {
            actor: op.who.to_string(),
            session_hash: op.session_hash,
            job_id: None,
            op_id: op.request_id,
            role: op.role.as_str().to_owned(),
            action: action.into(),
            object: object.into(),
            fingerprint: None,
            rows: None,
            duration_us: 0,
            component: op.component.to_owned(),
            outcome: Outcome::Ok,
            params: Vec::new(),
            break_glass: false,
            metadata: Vec::new(),
        }
    }

    /// A draft about what became of an operation of which only the intent's record is left. Values of parameters, which a
    /// record does not have, are left out.
    #[must_use]
    pub fn from_intent(intent: &AuditRecord, outcome: Outcome) -> Self {
        Self {
            actor: intent.actor.clone(),
            session_hash: intent.session_hash,
            job_id: intent.job_id.clone(),
            op_id: intent.op_id,
            role: intent.role.clone(),
            action: intent.action.clone(),
            object: intent.object.clone(),
            fingerprint: intent.fingerprint.clone(),
            rows: None,
            duration_us: 0,
            component: intent.component.clone(),
            outcome,
            params: Vec::new(),
            break_glass: intent.break_glass,
            metadata: intent.metadata.clone(),
        }
    }

    /// How a record of the log has an object of this name: long ones are cut.
    #[must_use]
    pub fn object_as_recorded(object: &str) -> String {
        tidy(object.to_owned(), bound::OBJECT)
    }

    /// Sets how the operation stands; `Ok` otherwise.
    #[must_use]
    pub const fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// Sets the rows read or changed.
    #[must_use]
    pub const fn rows(mut self, rows: u64) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Sets how long it took.
    #[must_use]
    pub fn duration(mut self, duration: Duration) -> Self {
        self.duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self
    }

    /// Sets the shape of the statement or query, without values.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// Sets the job on whose behalf it is done.
    #[must_use]
    pub fn job(mut self, job_id: impl Into<String>) -> Self {
        self.job_id = Some(job_id.into());
        self
    }

    /// Sets the role under which it is done, if another than the caller's: a database role, for example.
    #[must_use]
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.role = role.into();
        self
    }

    /// Sets which part of the node does it, if another than the one that took the request.
    #[must_use]
    pub fn component(mut self, component: impl Into<String>) -> Self {
        self.component = component.into();
        self
    }

    /// Adds a parameter; its value is never stored in clear.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Adds something to be known, stored in clear.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Marks it as done under emergency access.
    #[must_use]
    pub const fn break_glass(mut self) -> Self {
        self.break_glass = true;
        self
    }

    /// Brings every text into NFC and below its bound, so that a queue of drafts is bounded in bytes too.
    /// Parameters wait for their HMAC as they are.
    #[must_use]
    pub(crate) fn tidied(self) -> Self {
        Self {
            actor: tidy(self.actor, bound::ACTOR),
            session_hash: self.session_hash,
            job_id: self.job_id.map(|text| tidy(text, bound::JOB_ID)),
            op_id: self.op_id,
            role: tidy(self.role, bound::ROLE),
            action: tidy(self.action, bound::ACTION),
            object: tidy(self.object, bound::OBJECT),
            fingerprint: self.fingerprint.map(|text| tidy(text, bound::FINGERPRINT)),
            rows: self.rows,
            duration_us: self.duration_us,
            component: tidy(self.component, bound::COMPONENT),
            outcome: self.outcome,
            params: self.params,
            break_glass: self.break_glass,
            metadata: tidy_pairs(self.metadata, bound::METADATA, bound::METADATA_NAME, bound::METADATA_VALUE),
        }
    }
}

/// Says what, never the values of parameters.
impl fmt::Debug for AuditDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("AuditDraft")
            .field("op_id", &self.op_id)
            .field("actor", &self.actor)
            .field("action", &self.action)
            .field("object", &self.object)
            .field("outcome", &self.outcome)
            .field("params", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_does_not_print_its_secrets() {
        let op = OpContext::node(RequestId::from_bytes([1; 16]), "test");
        let draft = AuditDraft::from_op(&op, "auth.login", "node").param("password", "canary");
        let text = format!("{draft:?}");
        assert!(text.contains("password") && !text.contains("canary"), "{text}");
    }
}
