//! The time that stands in records, behind a trait so that a test can turn the wall clock back.

use std::time::Instant;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) unix_ns: u64,
    pub(crate) monotonic_ns: u64,
}

/// Where the writer takes the time from.
pub(crate) trait TimeSource: Send {
    fn now(&self) -> Stamp;
}

/// The node's clock; its monotonic side counts from when it was made.
pub(crate) struct NodeClock {
    begun: Instant,
}

impl NodeClock {
    pub(crate) fn new() -> Self {
        Self { begun: bib_kit::clock::monotonic() }
    }
}

impl TimeSource for NodeClock {
    fn now(&self) -> Stamp {
        let passed = bib_kit::clock::since(self.begun).as_nanos();
        Stamp { unix_ns: bib_kit::clock::unix_ns(), monotonic_ns: u64::try_from(passed).unwrap_or(u64::MAX) }
    }
}
