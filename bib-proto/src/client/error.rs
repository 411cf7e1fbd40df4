//! What can go wrong between client and node, with the node's own explanation.

use super::{AddressError, TrustError};
use std::collections::BTreeMap;
use tonic::Code;
use tonic_types::StatusExt;

/// What a node said about an error beside its message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorDetails {
    /// A stable word such as `DATASET_NOT_FOUND`; empty if the node gave none.
    pub reason: String,
    /// Whose word it is, `bib.dev` for this API.
    pub domain: String,
    /// Further facts by name, among them `request_id`.
    pub metadata: BTreeMap<String, String>,
    /// What to do next, most useful first.
    pub hints: Vec<String>,
}

/// An error of a call, or of what leads up to it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The node is not the one that it was, or nobody said that it may be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Nobody answers at the address.
    #[error("no node answers at {address}: {reason}")]
    Unreachable {
        /// Where it was tried.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// The key cannot be used.
    #[error("cannot log in with {key}: {reason}")]
    Key {
        /// Which key: a path or `ssh-agent`.
        key: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The node refused or failed.
    #[error("{}", status.message())]
    Status {
        /// The gRPC status.
        status: Box<tonic::Status>,
        /// What the node said beside it.
        details: ErrorDetails,
    },
}

impl ClientError {
    /// The gRPC code, if a node answered.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Status { status, .. } => Some(status.code()),
            _ => None,
        }
    }

    /// The node's reason, if it gave one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Status { details, .. } if !details.reason.is_empty() => Some(&details.reason),
            _ => None,
        }
    }
}

impl From<tonic::Status> for ClientError {
    fn from(status: tonic::Status) -> Self {
        let all = status.get_error_details();
        let mut details = ErrorDetails::default();
        if let Some(info) = all.error_info() {
            details.reason.clone_from(&info.reason);
            details.domain.clone_from(&info.domain);
            details.metadata = info.metadata.clone().into_iter().collect();
        }
        if let Some(message) = all.localized_message() {
            details.hints.push(message.message.clone());
        }
        if let Some(help) = all.help() {
            details.hints.extend(help.links.iter().map(|link| link.description.clone()));
        }
        Self::Status { status: Box::new(status), details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use tonic_types::ErrorDetails as Rich;

    #[test]
    fn keeps_what_the_node_said() {
        let mut rich = Rich::with_error_info("TOPIC_NOT_FOUND", "bib.dev", HashMap::new());
        rich.set_localized_message("en", "bib topic create weather");
        let status = tonic::Status::with_error_details(Code::NotFound, "no topic weather", rich);
        let error = ClientError::from(status);
        assert_eq!(error.reason(), Some("TOPIC_NOT_FOUND"));
        assert_eq!(error.to_string(), "no topic weather");
        let ClientError::Status { details, .. } = error else { panic!("a status stays a status") };
        assert_eq!(details.hints, ["bib topic create weather"]);
    }
}
