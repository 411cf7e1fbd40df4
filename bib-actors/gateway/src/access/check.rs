//! Whether the people of a configuration can be meant, before a node starts with them.

use super::signature::parse_key;
use crate::error::GatewayError;
use crate::options::BootstrapKey;
use bib_domain::roster::{Keyed, steps};

/// Checks the keys of a configuration: each can be used, none opens for two people, and nobody has two roles.
///
/// # Errors
/// [`GatewayError::BootstrapKey`] with whose key it is and what is wrong.
pub fn check_keys(keys: &[BootstrapKey]) -> Result<(), GatewayError> {
    let refused = |one: &BootstrapKey, reason: String| GatewayError::BootstrapKey { name: one.name.clone(), reason };
    let keyed = |one: &BootstrapKey| match parse_key(&one.key) {
        Ok((_, fingerprint)) => Ok(Keyed { fingerprint, user: one.name.clone(), role: one.role }),
        Err(refusal) => Err(refused(one, refusal.to_string())),
    };
    let wanted = keys.iter().map(keyed).collect::<Result<Vec<_>, _>>()?;
    steps(&[], &wanted).map(drop).map_err(|wrong| refused(&keys[wrong.at()], wrong.to_string()))
}
