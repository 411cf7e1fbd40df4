//! What a query may make of its rows, and a bound that was reached, in a shape that survives the way through
//! DataFusion's and Arrow's errors. Owns these bounds; what DataFusion holds itself is bounded by its own pool.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use datafusion::error::DataFusionError;

use crate::error::{LimitKind, QueryError};

/// Bytes of a text that a function makes of shorter ones: as long as a record of a file may be.
pub(crate) const TEXT_BYTES: usize = 16 << 20;

/// Bytes of a text or list that depends on no row, which a plan repeats for each row of a batch: as long as an expression
/// may be.
pub(crate) const CONSTANT_BYTES: usize = 64 << 10;

/// Bytes of what the interpreter holds for one row: other rows are in work at the same time.
pub(crate) const ROW_BYTES: usize = 128 << 20;

/// Bytes that one function makes for one batch of rows. Not larger, because several are held at once; a batch has room
/// for the positions of eight times as many.
pub(crate) const BATCH_BYTES: usize = 256 << 20;

/// A bound that a running query has reached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breach {
    /// Its time is over, or nobody waits for it any more.
    Late { after: Duration },
    /// A text would have more bytes.
    Text { most: usize },
    /// The texts and lists of a row, or of a batch, would have more bytes.
    Values { most: usize },
}

impl Breach {
    /// The breach at the root of some other error.
    pub(crate) fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut at = Some(error);
        while let Some(error) = at {
            if let Some(breach) = error.downcast_ref::<Self>() {
                return Some(*breach);
            }
            at = error.source();
        }
        None
    }

    /// The breach in the text of an error: a scan of Parquet keeps no more than the text of what a filter failed with.
    pub(crate) fn in_text(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(MARK)?;
        let mut words = rest.split([' ', '.']);
        let (kind, number) = (words.next()?, words.next()?.parse::<u64>().ok()?);
        let most = usize::try_from(number).ok()?;
        match kind {
            "time" => Some(Self::Late { after: Duration::from_millis(number) }),
            "text" => Some(Self::Text { most }),
            "values" => Some(Self::Values { most }),
            _ => None,
        }
    }
}

/// What begins the text of a breach.
const MARK: &str = "bound of the query: ";

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late { after } => write!(f, "{MARK}time {}.", after.as_millis()),
            Self::Text { most } => write!(f, "{MARK}text {most}."),
            Self::Values { most } => write!(f, "{MARK}values {most}."),
        }
    }
}

// what is left of an error on its way is sometimes this text
impl fmt::Debug for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Breach {}

impl From<Breach> for DataFusionError {
    fn from(breach: Breach) -> Self {
        Self::External(Box::new(breach))
    }
}

impl From<Breach> for QueryError {
    fn from(breach: Breach) -> Self {
        match breach {
            Breach::Late { after } => Self::Timeout { after },
            Breach::Text { most } => Self::Limit { which: LimitKind::TextBytes, limit: most as u64 },
            Breach::Values { most } => Self::Limit { which: LimitKind::ValueBytes, limit: most as u64 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_is_found_behind_other_errors_and_in_their_text() {
        for breach in [
            Breach::Late { after: Duration::from_millis(1_500) },
            Breach::Text { most: TEXT_BYTES },
            Breach::Values { most: 7 },
        ] {
            let error = DataFusionError::from(breach).context("while filtering");
            assert_eq!(Breach::find(&error), Some(breach));
            assert_eq!(Breach::in_text(&format!("Error evaluating filter predicate: {error:?}")), Some(breach));
        }
        assert_eq!(Breach::in_text("a value could not be computed"), None);
    }
}
