//! Who asked for what: the context that travels with every operation into the audit log.

use crate::{NodeId, Role};
use std::fmt;
use std::str::FromStr;

/// Names one request of one caller: a retry carries the same id, so that the work is done once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// Wraps the 16 bytes of a UUID.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the UUID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl FromStr for RequestId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|&c| c != '-').collect();
        let mut bytes = [0_u8; 16];
        hex::decode_to_slice(&digits, &mut bytes).map_err(|_| format!("{text:?} is not a UUID"))?;
        Ok(Self(bytes))
    }
}

/// Who is behind an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// A person, by name.
    User(String),
    /// Another node.
    Peer(NodeId),
    /// This node itself: start-up, repair, a schedule.
    Node,
    /// Nobody has logged in.
    Anonymous,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user:{name}"),
            Self::Peer(id) => write!(f, "peer:{id}"),
            Self::Node => f.write_str("node"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// The context of one operation: it is the same in the request, the log lines and the audit records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpContext {
    /// Names the operation; a retry carries the same.
    pub request_id: RequestId,
    /// Who asked.
    pub who: Who,
    /// With which role.
    pub role: Role,
    /// SHA-256 of the session token, if there is a session.
    pub session_hash: Option<[u8; 32]>,
    /// Which part of the node took the request, for example `gateway`.
    pub component: &'static str,
}

impl OpContext {
    /// The context of work that the node does by itself.
    #[must_use]
    pub const fn node(request_id: RequestId, component: &'static str) -> Self {
        Self { request_id, who: Who::Node, role: Role::Admin, session_hash: None, component }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_print_as_uuids() {
        let id = RequestId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233-3435-3637-3839-616263646566");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("nonsense".parse::<RequestId>().is_err());
    }
}
