//! Who may log in stands in the configuration: at each start the catalogue's keys and roles follow it.

use super::signature::parse_key;
use crate::error::GatewayError;
use crate::options::BootstrapKey;
use bib_domain::OpContext;
use bib_domain::roster::{Keyed, Step, steps};
use bib_guardian::{GuardianError, GuardianHandle};
use bib_kit::{StartError, clock};
use std::collections::HashSet;

/// Gives the keys that are wanted, with their people's roles, and takes those away that are not wanted any more, with the
/// sessions that they opened. An entry that cannot be meant stops the start: somebody expects to get in with it. Keys for
/// which that could not be done, since the disk is full, are returned: they open nothing until a later start.
pub(crate) async fn install(guardian: &GuardianHandle, keys: &[BootstrapKey]) -> Result<HashSet<String>, StartError> {
    let refused = |one: &BootstrapKey, reason: String| GatewayError::BootstrapKey { name: one.name.clone(), reason };
    let (mut texts, mut wanted) = (Vec::with_capacity(keys.len()), Vec::with_capacity(keys.len()));
    for one in keys {
        let (key, fingerprint) = parse_key(&one.key).map_err(|refusal| refused(one, refusal.to_string()))?;
        texts.push(key.to_openssh().map_err(|error| refused(one, error.to_string()))?);
        wanted.push(Keyed { fingerprint, user: one.name.clone(), role: one.role });
    }
    let known = guardian.user_keys().await?;
    let steps = steps(&known, &wanted).map_err(|wrong| refused(&keys[wrong.at()], wrong.to_string()))?;
    let mut barred = HashSet::new();
    for step in steps {
        let op = OpContext::node(clock::new_request_id(), "gateway");
        let (done, what, fingerprint) = match step {
            Step::Remove(fingerprint) => {
                let removed = guardian.remove_user_key(&op, &fingerprint).await;
                (removed, format!("the key {fingerprint} is taken away"), fingerprint)
            }
            Step::Set(at) => {
                let Keyed { fingerprint, user, role } = &wanted[at];
                let given = guardian.add_user_key(&op, user, *role, &texts[at], fingerprint).await;
                let what = format!("{user} comes in as {role} with the key {fingerprint}");
                (given.map(drop), what, fingerprint.clone())
            }
        };
        match done {
            Ok(()) => tracing::info!("as the configuration says, {what}"),
            // the disk can be mended only where the node is up
            Err(error @ GuardianError::DiskFull { .. }) => {
                tracing::warn!(%error, "at a later start {what}; until then it opens nothing");
                barred.insert(fingerprint);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(barred)
}
