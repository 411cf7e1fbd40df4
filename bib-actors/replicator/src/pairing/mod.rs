//! Pairing: tickets, joining with one, and answering who joins. An unpaired node gets nothing but this.

mod answer;
mod attempts;
mod invite;
mod join;
mod reachable;

pub(crate) use answer::serve;
pub(crate) use attempts::{Admission, Attempts};
pub use invite::Invite;
pub(crate) use invite::{RecentInvites, create};
pub(crate) use join::join;
pub(crate) use reachable::reachable;

use sha2::{Digest, Sha256};

/// What is kept of a ticket's secret: not the secret.
fn secret_hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}
