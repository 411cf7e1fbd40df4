//! `page`: a page with a table of a large dataset, beside a static page from nginx.

use crate::context::Ctx;
use crate::report::Row;

/// What is not there yet is said, and counts as not met.
pub(crate) fn run(_ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    Ok(vec![Row::not_built("page", "nginx", "us", 0.1, "this version has no pages with tables")])
}
