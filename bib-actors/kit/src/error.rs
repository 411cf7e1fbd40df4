//! The errors of asking and starting.
//!
//! Every ask ends in an answer or in one of these. They say whether the work may have been done, since that decides
//! whether a retry needs the same request id.

use std::time::Duration;

/// Why a factory could not make an actor.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// Why an ask has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Its mailbox is full: nothing was done.
    #[error("{actor} has {capacity} requests in hand and takes no more; nothing was done, try again in a moment")]
    Overloaded {
        /// Who was asked.
        actor: &'static str,
        /// How many requests it holds at most.
        capacity: usize,
    },
    /// There is no incarnation at this moment: nothing was done.
    #[error("{actor} is starting or restarting; nothing was done, try again in a moment")]
    Restarting {
        /// Who was asked.
        actor: &'static str,
    },
    /// It ended before it looked at the message: nothing was done.
    #[error("{actor} ended before it took the request; nothing was done, try again")]
    NotDelivered {
        /// Who was asked.
        actor: &'static str,
    },
    /// No answer within the deadline: the work may or may not have been done.
    #[error("{actor} did not answer within {after:?}; the work may still be done, ask again with the same request id")]
    Timeout {
        /// Who was asked.
        actor: &'static str,
        /// The deadline of the ask.
        after: Duration,
    },
    /// It ended while it had the message in hand: the work may or may not have been done.
    #[error(
        "{actor} ended while it worked on the request, whose outcome is unknown; ask again with the same request id"
    )]
    Unknown {
        /// Who was asked.
        actor: &'static str,
    },
}

impl AskError {
    /// Who was asked.
    #[must_use]
    pub const fn actor(&self) -> &'static str {
        match self {
            Self::Overloaded { actor, .. }
            | Self::Restarting { actor }
            | Self::NotDelivered { actor }
            | Self::Timeout { actor, .. }
            | Self::Unknown { actor } => actor,
        }
    }

    /// Whether it is certain that nothing was done, so that anybody may simply try again.
    #[must_use]
    pub const fn nothing_was_done(&self) -> bool {
        matches!(self, Self::Overloaded { .. } | Self::Restarting { .. } | Self::NotDelivered { .. })
    }
}

/// The error and its sources on one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
