//! What the guardian can do: one type per operation, each with the statements that it runs.
//!
//! Every operation is a [`Change`](crate::audited::Change) or a [`Look`](crate::audited::Look); the frame around them
//! records, commits and answers.

pub(crate) mod datasets;
pub(crate) mod expire;
pub(crate) mod invites;
pub(crate) mod page;
pub(crate) mod peers;
pub(crate) mod people;
pub(crate) mod publish;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod topics;
pub(crate) mod versions;

use crate::error::GuardianError;

/// A number of the outside as the database keeps it.
pub(crate) fn to_i64(value: u64, what: &'static str) -> Result<i64, GuardianError> {
    i64::try_from(value).map_err(|_| GuardianError::OutOfRange { what })
}
