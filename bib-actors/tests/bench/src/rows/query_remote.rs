//! `query-remote`: a selective query on a version that is not here, beside copying the file first.

use crate::context::Ctx;
use crate::report::Row;

/// What is not there yet is said, and counts as not met.
pub(crate) fn run(_ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let why = "a query on a version that is not on this node is refused; the engine does not read chunks from peers";
    Ok(vec![Row::not_built("query-remote", "copy first", "%", 20.0, why)])
}
