//! Why a peer is left for one transfer, without blame.

use std::fmt;

/// Why a peer is not used any more for a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveReason {
    /// It owes chunks and sends nothing.
    Stalled,
    /// It does not have the version's chunks.
    Lacks,
    /// It serves nothing to this node.
    Refuses,
    /// Its streams break again and again.
    Breaks,
}

impl LeaveReason {
    /// Whether it may give the rest at another time. If not, it is no holder of the version.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Stalled | Self::Breaks)
    }
}

impl fmt::Display for LeaveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stalled => "it stopped sending",
            Self::Lacks => "it lacks too many chunks of this version",
            Self::Refuses => "it serves nothing to this node",
            Self::Breaks => "its streams break again and again",
        })
    }
}
