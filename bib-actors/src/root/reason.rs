//! Why the node ended, and the exit code that says so.

use std::fmt;

/// The exit code of a node that failed in a way that a fresh process may cure.
const RESTART_ME: u8 = 70;

/// Why the node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExitReason {
    /// It was told to.
    Stopped,
    /// A child could not be made when the node started.
    Refused {
        /// Which child.
        child: &'static str,
        /// How it ended, with what its factory said.
        text: String,
    },
    /// A child failed more often than it may.
    BeyondWindow {
        /// Which child.
        child: &'static str,
        /// How it failed last.
        text: String,
    },
    /// A child or its background work could not be ended.
    Stuck {
        /// Which child.
        child: &'static str,
    },
    /// The root itself failed.
    RootFailed {
        /// How.
        text: String,
    },
}

impl ExitReason {
    /// The exit code of the process.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped => 0,
            Self::Refused { .. } => 1,
            Self::BeyondWindow { .. } | Self::Stuck { .. } | Self::RootFailed { .. } => RESTART_ME,
        }
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the node was stopped in order"),
            Self::Refused { child, text } => write!(f, "{child} {text}"),
            Self::BeyondWindow { child, text } => {
                write!(f, "{child} failed again and again ({text}), so the node stops; start it anew")
            }
            Self::Stuck { child } => {
                write!(f, "{child} hangs and cannot be ended, so the node stops; start it anew")
            }
            Self::RootFailed { text } => write!(f, "the root actor failed ({text}), so the node stops; start it anew"),
        }
    }
}
