//! How an incarnation ended.

use std::fmt;

/// Why an incarnation is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It stopped by itself or was stopped in order.
    Stopped,
    /// It said that it cannot go on, or its factory that it could not make it just now.
    Failed(String),
    /// It panicked; the text of the panic.
    Panicked(String),
    /// Its factory could not make it, for a reason that does not pass.
    Refused(String),
    /// It was aborted from outside.
    Aborted,
    /// The thread it ran on is gone.
    ThreadGone,
}

impl Exit {
    /// Whether this end is a failure.
    #[must_use]
    pub const fn is_failure(&self) -> bool {
        !matches!(self, Self::Stopped)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Failed(text) => write!(f, "failed: {text}"),
            Self::Panicked(text) => write!(f, "panicked: {text}"),
            Self::Refused(text) => write!(f, "could not start: {text}"),
            Self::Aborted => f.write_str("aborted because it did not answer"),
            Self::ThreadGone => f.write_str("its thread is gone"),
        }
    }
}

/// The end of one incarnation, as its supervisor hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitReport {
    /// Which incarnation.
    pub incarnation: u64,
    /// Why it ended.
    pub exit: Exit,
    /// Background work of it still runs and could not be ended: a new incarnation must not be started beside it.
    pub stale_work: bool,
}
