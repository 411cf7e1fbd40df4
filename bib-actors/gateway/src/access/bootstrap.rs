//! Who may log in stands in the configuration: at each start the catalogue's keys and roles follow it.

use super::signature::parse_key;
use crate::error::GatewayError;
use crate::options::BootstrapKey;
use bib_domain::OpContext;
use bib_domain::roster::{Keyed, Step, steps};
use bib_guardian::{GuardianError, GuardianHandle};
use bib_kit::{StartError, clock};

/// Gives the keys that are wanted, with their people's roles, and takes those away that are not wanted any more, with the
/// sessions that they opened. An entry that cannot be meant stops the start: somebody expects to get in with it.
pub(crate) async fn install(guardian: &GuardianHandle, keys: &[BootstrapKey]) -> Result<(), StartError> {
    let refused = |one: &BootstrapKey, reason: String| GatewayError::BootstrapKey { name: one.name.clone(), reason };
    let (mut texts, mut wanted) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for one in keys {
        let (key, fingerprint) = parse_key(&one.key).map_err(|refusal| refused(one, refusal.to_string()))?;
        texts.push(key.to_openssh().map_err(|error| refused(one, error.to_string()))?);
        wanted.push(Keyed { fingerprint, user: one.name.clone(), role: one.role });
    }
    let known = guardian.user_keys().await?;
    let steps = steps(&known, &wanted).map_err(|wrong| refused(&keys[wrong.at()], wrong.to_string()))?;
    for step in steps {
        let op = OpContext::node(clock::new_request_id(), "gateway");
        match step {
            Step::Remove(fingerprint) => {
                guardian.remove_user_key(&op, &fingerprint).await?;
                tracing::info!(fingerprint, "took away a key that is not in the configuration any more");
            }
            Step::Set(at) => give(guardian, &op, &wanted[at], &texts[at]).await?,
        }
    }
    Ok(())
}

async fn give(guardian: &GuardianHandle, op: &OpContext, one: &Keyed, text: &str) -> Result<(), StartError> {
    let Keyed { fingerprint, user, role } = one;
    match guardian.add_user_key(op, user, *role, text, fingerprint).await {
        Ok(_) => tracing::info!(user, %role, fingerprint, "a key and a role from the configuration"),
        Err(error @ GuardianError::DiskFull { .. }) => {
            tracing::warn!(user, %error, "a key from the configuration is added at a later start");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
