//! Who may call what: callers, sessions, login, and the one table of methods.

mod bootstrap;
mod caller;
mod challenges;
mod check;
mod gate;
mod one_time;
mod rates;
mod sessions;
mod signature;
mod sshsig;
mod table;

pub(crate) use bootstrap::install as install_bootstrap_keys;
pub(crate) use caller::{Caller, Identity};
pub(crate) use challenges::{Challenges, NONCE_BYTES};
pub use check::check_keys;
pub(crate) use gate::{Gate, GateLayer};
pub(crate) use one_time::OneTimeTokens;
pub(crate) use rates::Rates;
pub(crate) use sessions::{Sessions, hash_token};
pub(crate) use signature::{parse_key, verify};
pub(crate) use sshsig::verify_armored;
