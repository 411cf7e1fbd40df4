//! What a plan is made for, and what order of rows that needs. Owns the choice between a scan on all cores and one that
//! keeps the order of the file.

use datafusion::execution::SessionState;

use crate::view::{Asked, View};

/// What a plan is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Rows as the language promises them, as fast as can be.
    Rows,
    /// Rows in an order that is the same each time, with their positions.
    Pages,
    /// The same of rows that are known by their positions: so many from the first on. No other step may drop rows or
    /// change their order.
    Window { first: u64, rows: u64 },
    /// Rows in any order: they are only looked at all together.
    Any,
    /// Rows that are only counted.
    Count,
}

/// What order the rows of a plan must have on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// None.
    Nothing,
    /// One by the values of rows that a step has made.
    Values,
    /// That of the file.
    FileOrder,
    /// That of the file, and where each row stands in it.
    Positions,
}

impl Needs {
    pub(crate) fn of(asked: &Asked, purpose: Purpose) -> Self {
        let query = &asked.query;
        match purpose {
            Purpose::Pages | Purpose::Window { .. } => Self::Positions,
            Purpose::Rows if query.needs_order() => Self::FileOrder,
            Purpose::Rows => Self::Nothing,
            Purpose::Any | Purpose::Count if !query.cuts() => Self::Nothing,
            Purpose::Count if asked.filter.is_none() && query.cuts_by_number() => Self::Nothing,
            // which rows a limit keeps is what the pages show
            Purpose::Any | Purpose::Count if query.cuts_new_rows() => Self::Values,
            Purpose::Any | Purpose::Count => Self::Positions,
        }
    }

    /// Whether the rows must be read as they stand in the file.
    pub(crate) fn is_in_order(self) -> bool {
        matches!(self, Self::FileOrder | Self::Positions)
    }
}

/// Whether rows that a limit has kept are sorted or reckoned with.
pub(crate) fn looks_at_cut(asked: &Asked, view: &View, purpose: Purpose) -> bool {
    let query = &asked.query;
    query.looks_at_cut() || (query.cuts() && (view.sort.is_some() || matches!(purpose, Purpose::Any | Purpose::Count)))
}

/// Keeps a session from giving the scan the conditions that a sort or an aggregate finds while it runs: DataFusion does
/// so through a limit, which then keeps other rows. Nor may a sort below change what the scan reads first.
pub(crate) fn without_late_filters(state: &mut SessionState) {
    let optimizer = &mut state.config_mut().options_mut().optimizer;
    optimizer.enable_dynamic_filter_pushdown = false;
    optimizer.enable_topk_dynamic_filter_pushdown = false;
    optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    optimizer.enable_join_dynamic_filter_pushdown = false;
    optimizer.enable_sort_pushdown = false;
}
