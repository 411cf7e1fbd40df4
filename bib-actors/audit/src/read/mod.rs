//! Reads the log: pages from its end, exports from a position, full verification.
//!
//! Blocking code over a snapshot of what is durable. Nothing here writes, and every record that leaves has had its
//! canonical form, its place in its block and its hash checked.

mod backward;
mod export;
mod forward;
mod list;
mod verify;

pub(crate) use backward::BackwardReader;
pub(crate) use export::{Cursors, export_since};
pub(crate) use forward::{ForwardReader, Next};
pub(crate) use list::list;
pub(crate) use verify::verify;

pub use list::ListFilter;
pub use verify::AuditVerdict;

use crate::error::AuditError;
use crate::log::{Broken, Segment};

/// A reader found the files other than what was written to them.
fn damaged(segment: &Segment, broken: Broken) -> AuditError {
    AuditError::Damaged { seq: broken.seq, file: segment.path.clone(), problem: broken.problem }
}
