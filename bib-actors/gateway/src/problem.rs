//! A refused or failed call as the client sees it.
//!
//! Every error that leaves the gateway is a [`Problem`]: a gRPC status code, one `google.rpc.ErrorInfo` (domain
//! [`DOMAIN`], reason in `SCREAMING_SNAKE`, the values of the message as metadata, the request id), what to do next
//! as `LocalizedMessage` and as metadata `hint`, and `RetryInfo` where trying again makes sense. It never carries
//! debug output: what only the node's owner should read goes to the log.

use bib_domain::RequestId;
use std::collections::HashMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "bib.dev";

/// Longest message, in bytes: clients bound the headers that a status travels in, some of them at 8 KiB.
const MESSAGE_MAX: usize = 1500;
/// Longest metadata value, in bytes.
const VALUE_MAX: usize = 300;

/// One failed call.
#[derive(Debug)]
pub struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    reason: &'static str,
    message: String,
    hint: Option<String>,
    metadata: Vec<(&'static str, String)>,
    field: Option<(&'static str, String)>,
    retry: Option<Duration>,
}

impl Problem {
    /// A problem with nothing but its code, reason and message.
    #[must_use]
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner { code, reason, message, hint: None, metadata: Vec::new(), field: None, retry: None }))
    }

    /// The caller gave something that cannot be right; `field` is where in the request it stands.
    #[must_use]
    pub fn invalid(field: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        let mut problem = Self::new(Code::InvalidArgument, reason, message);
        problem.0.field = Some((field, problem.0.message.clone()));
        problem
    }

    /// What the caller named is not here.
    #[must_use]
    pub fn not_found(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, reason, message)
    }

    /// Something failed that the caller cannot mend. `what` is logged, not sent.
    #[must_use]
    pub fn internal(what: impl std::fmt::Display) -> Self {
        tracing::error!(error = %what, "a call failed inside the node");
        Self::new(Code::Internal, "INTERNAL", "the node could not finish this call; its log says why")
            .hint("bib status")
    }

    /// Adds what to do next: a command, or one short sentence.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds a value that the message speaks of, so that a program need not parse the message.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.metadata.push((key, value.into()));
        self
    }

    /// Says that the same call may succeed after this long.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry = Some(delay);
        self
    }

    /// The gRPC status code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The reason, as programs match it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// What people read.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the node refused the call, rather than failed at it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.0.code,
            Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::Unauthenticated
                | Code::FailedPrecondition
                | Code::ResourceExhausted
                | Code::OutOfRange
                | Code::Unimplemented
        )
    }

    /// The status that is sent.
    #[must_use]
    pub fn into_status(self, request_id: &RequestId) -> Status {
        let inner = *self.0;
        let request_id = request_id.to_string();
        let mut metadata: HashMap<String, String> =
            inner.metadata.into_iter().map(|(key, value)| (key.to_owned(), cut(value, VALUE_MAX))).collect();
        metadata.insert("request_id".to_owned(), request_id.clone());
        let mut details = ErrorDetails::new();
        if let Some(hint) = inner.hint {
            let hint = cut(hint, VALUE_MAX);
            details.set_localized_message("en", hint.clone());
            metadata.insert("hint".to_owned(), hint);
        }
        details.set_error_info(inner.reason, DOMAIN, metadata).set_request_info(request_id, "");
        if let Some((field, description)) = inner.field {
            details.add_bad_request_violation(field, cut(description, VALUE_MAX));
        }
        if let Some(delay) = inner.retry {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(inner.code, cut(inner.message, MESSAGE_MAX), details)
    }
}

/// Cuts at a character boundary and says that it did.
fn cut(mut text: String, max: usize) -> String {
    if text.len() > max {
        let mut end = max - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_carries_reason_hint_and_request_id() {
        let id = RequestId::from_bytes([7; 16]);
        let status = Problem::not_found("TOPIC_NOT_FOUND", "topic \"x\" is not known here")
            .hint("bib topic create x")
            .with("topic", "x")
            .retry_after(Duration::from_secs(2))
            .into_status(&id);
        assert_eq!(status.code(), Code::NotFound);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("TOPIC_NOT_FOUND", DOMAIN));
        assert_eq!(info.metadata["topic"], "x");
        assert_eq!(info.metadata["hint"], "bib topic create x");
        assert_eq!(info.metadata["request_id"], id.to_string());
        assert_eq!(details.localized_message().unwrap().message, "bib topic create x");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(2)));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let status =
            Problem::invalid("expression", "BAD", "ä".repeat(5000)).into_status(&RequestId::from_bytes([0; 16]));
        assert!(status.message().len() <= MESSAGE_MAX && status.message().ends_with('…'));
        assert!(status.details().len() < 4096);
    }
}
