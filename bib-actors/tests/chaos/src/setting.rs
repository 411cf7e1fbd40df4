//! How a scenario is to run: from which seed, how often, and where it says how far it is.

use crate::dice::Dice;
use std::io::Write;

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// As much as `make test` has time for.
    Reduced,
    /// The numbers that are promised.
    Whole,
}

/// What a scenario is told.
#[derive(Debug, Clone)]
pub struct Setting {
    /// What every random choice follows from.
    pub seed: u64,
    /// How much is run.
    pub extent: Extent,
    /// Another number of runs than the extent's.
    pub runs: Option<u32>,
    /// Whether each run is told on standard error.
    pub verbose: bool,
}

impl Setting {
    /// A setting with the seed that `BIB_CHAOS_SEED` names, or a new one.
    #[must_use]
    pub fn new(extent: Extent) -> Self {
        let given = std::env::var("BIB_CHAOS_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| bib_kit::clock::unix_ns() % 1_000_000_007);
        Self { seed, extent, runs: None, verbose: false }
    }

    pub(crate) fn runs(&self, reduced: u32, whole: u32) -> u32 {
        self.runs.unwrap_or(match self.extent {
            Extent::Reduced => reduced,
            Extent::Whole => whole,
        })
    }

    /// A number that depends on the extent alone.
    pub(crate) const fn pick<T: Copy>(&self, reduced: T, whole: T) -> T {
        match self.extent {
            Extent::Reduced => reduced,
            Extent::Whole => whole,
        }
    }

    pub(crate) const fn dice(&self) -> Dice {
        Dice::new(self.seed)
    }

    /// Says how far a long scenario is.
    pub(crate) fn tell(&self, text: &str) {
        if self.verbose {
            // whoever closed standard error does not want to know
            let _ = writeln!(std::io::stderr(), "  {text}");
        }
    }
}
