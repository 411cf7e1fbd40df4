//! Exit codes: one small number for each kind of outcome, so that scripts can tell them apart.

use tonic::Code;

/// How the program ends. New codes may be added; treat any unknown one but zero as a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Success, also an empty list and "already so".
    Success = 0,
    /// Failed, unclassified.
    Failed = 1,
    /// Bad flag or argument, or a question without a terminal.
    Usage = 2,
    /// Some items failed.
    Partial = 3,
    /// Not logged in, session expired, key refused.
    NotLoggedIn = 4,
    /// Logged in, but not allowed.
    NotAllowed = 5,
    /// Not found.
    NotFound = 6,
    /// Conflict or precondition.
    Conflict = 7,
    /// Still pending.
    Pending = 8,
    /// Cancelled by the user.
    Cancelled = 9,
    /// Node unreachable.
    Unreachable = 10,
    /// Unhealthy.
    Unhealthy = 11,
    /// Hash, signature or audit chain is wrong.
    Integrity = 12,
    /// Not possible in this mode or with this storage.
    NotInThisMode = 14,
    /// The server's fingerprint is unknown or changed.
    Trust = 15,
    /// Rate limit, quota or disk full: retry later.
    Exhausted = 16,
    /// `--timeout` elapsed.
    Timeout = 124,
    /// SIGHUP.
    HungUp = 129,
    /// SIGINT.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

/// Every code with its meaning, for `bib exit-codes`.
pub(crate) const TABLE: &[(Exit, &str)] = &[
    (Exit::Success, "success, also an empty list and \"already so\""),
    (Exit::Failed, "failed, unclassified"),
    (Exit::Usage, "bad flag or argument, or a question without a terminal"),
    (Exit::Partial, "some items failed"),
    (Exit::NotLoggedIn, "not logged in, session expired, or key refused"),
    (Exit::NotAllowed, "logged in, but not allowed"),
    (Exit::NotFound, "not found"),
    (Exit::Conflict, "conflict or precondition: it exists, or is in the wrong state"),
    (Exit::Pending, "still pending"),
    (Exit::Cancelled, "cancelled by the user"),
    (Exit::Unreachable, "node unreachable"),
    (Exit::Unhealthy, "status or doctor found something unhealthy"),
    (Exit::Integrity, "a hash, signature or audit chain is wrong"),
    (Exit::NotInThisMode, "not possible in this mode or with this storage"),
    (Exit::Trust, "the server's fingerprint is unknown or changed"),
    (Exit::Exhausted, "rate limit, quota or disk full: retry later"),
    (Exit::Timeout, "--timeout elapsed"),
    (Exit::HungUp, "ended by SIGHUP: its terminal is gone"),
    (Exit::Interrupted, "interrupted with Ctrl-C"),
    (Exit::Terminated, "ended by SIGTERM"),
];

impl Exit {
    /// The code for a status that a node answered, with its reason.
    #[must_use]
    pub fn of_status(code: Code, reason: &str) -> Self {
        match code {
            Code::Ok => Self::Success,
            Code::InvalidArgument | Code::OutOfRange => Self::Usage,
            Code::Unauthenticated => Self::NotLoggedIn,
            Code::PermissionDenied => Self::NotAllowed,
            Code::NotFound => Self::NotFound,
            Code::FailedPrecondition if reason.starts_with("MODE_") => Self::NotInThisMode,
            Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => Self::Conflict,
            Code::Cancelled => Self::Cancelled,
            Code::Unavailable => Self::Unreachable,
            Code::DataLoss => Self::Integrity,
            Code::Unimplemented => Self::NotInThisMode,
            Code::ResourceExhausted => Self::Exhausted,
            Code::DeadlineExceeded => Self::Timeout,
            Code::Unknown | Code::Internal => Self::Failed,
        }
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(TABLE.iter().all(|(exit, _)| seen.insert(exit.code())), "two meanings share a code");
        assert_eq!(Exit::of_status(Code::FailedPrecondition, "MODE_SQLITE"), Exit::NotInThisMode);
        assert_eq!(Exit::of_status(Code::FailedPrecondition, "STATE"), Exit::Conflict);
    }
}
