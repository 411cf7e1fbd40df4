//! Who calls, as the gate found it; handlers read it from the request.

use crate::listen::Origin;
use crate::problem::Problem;
use bib_domain::{OpContext, RequestId, Role, Who};
use std::net::IpAddr;

/// How a caller proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Not at all.
    Anonymous,
    /// By the kernel: the other end of the Unix socket runs as this user.
    Local {
        /// `local:NAME`, or `local:UID` for a user without a name.
        user: String,
    },
    /// By a session token.
    Session {
        /// Whose session.
        user: String,
        /// With which role.
        role: Role,
        /// SHA-256 of the token.
        token_hash: [u8; 32],
        /// The key that opened it.
        fingerprint: String,
        /// When it ends, Unix milliseconds.
        expires_ms: i64,
    },
}

/// One call: who, from where, under which request id.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who calls.
    pub(crate) identity: Identity,
    /// From where.
    pub(crate) origin: Origin,
    /// The id of the call: the client's `x-request-id`, or a new one.
    pub(crate) request_id: RequestId,
}

impl Caller {
    /// The role that the call is made with; `None` without a session.
    pub(crate) fn role(&self) -> Option<Role> {
        match &self.identity {
            Identity::Anonymous => None,
            Identity::Local { .. } => Some(Role::Admin),
            Identity::Session { role, .. } => Some(*role),
        }
    }

    /// What attempts of this caller are counted by.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.origin.address()
    }

    /// The context that goes with the call into every actor and every record.
    pub(crate) fn op(&self) -> OpContext {
        let (who, session_hash) = match &self.identity {
            Identity::Anonymous => (Who::Anonymous, None),
            Identity::Local { user } => (Who::User(user.clone()), None),
            Identity::Session { user, token_hash, .. } => (Who::User(user.clone()), Some(*token_hash)),
        };
        let role = self.role().unwrap_or(Role::Reader);
        OpContext { request_id: self.request_id, who, role, session_hash, component: "gateway" }
    }

    /// The context of a call that changes something: under the id that the client put into the message, so that a
    /// retry is known as one.
    pub(crate) fn op_with(&self, request_id: &str) -> Result<OpContext, Problem> {
        let mut op = self.op();
        if !request_id.is_empty() {
            op.request_id = request_id.parse().map_err(|error: String| {
                Problem::invalid("request_id", "BAD_REQUEST_ID", format!("request id {error}"))
                    .hint("send a UUID, the same one for each retry")
            })?;
        }
        Ok(op)
    }
}
