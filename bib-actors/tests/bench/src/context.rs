//! What every row is told: how often, how large, and where peers lie.

use std::path::PathBuf;

/// The settings of one run.
#[derive(Debug, Clone)]
pub(crate) struct Ctx {
    /// Rounds of each row.
    pub(crate) rounds: usize,
    /// MiB of the large file.
    pub(crate) mib: usize,
    /// Whether this only shows that the harness works.
    pub(crate) quick: bool,
    /// Whether peers are used that take long to have.
    pub(crate) slow_peers: bool,
    /// Where peers are installed. Kept between runs.
    pub(crate) cache: PathBuf,
}

impl Ctx {
    /// A size: that of a measurement, or that of a quick look.
    pub(crate) const fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }
}
