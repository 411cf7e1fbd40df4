//! The first people: keys from the configuration, added to the catalogue where they are not known yet.

use super::signature::parse_key;
use crate::error::GatewayError;
use crate::options::BootstrapKey;
use bib_domain::OpContext;
use bib_guardian::{GuardianError, GuardianHandle};
use bib_kit::{StartError, clock};

/// Adds the keys that are not there. One that names nobody's key, or another's, stops the start: somebody expects to
/// get in with it.
pub(crate) async fn install(guardian: &GuardianHandle, keys: &[BootstrapKey]) -> Result<(), StartError> {
    for wanted in keys {
        let refused = |reason: String| GatewayError::BootstrapKey { name: wanted.name.clone(), reason };
        let (key, fingerprint) = parse_key(&wanted.key).map_err(|refusal| refused(refusal.to_string()))?;
        match guardian.user_by_key(&fingerprint).await? {
            Some(user) if user.name == wanted.name => continue,
            Some(user) => return Err(refused(format!("it belongs to user {:?} already", user.name)).into()),
            None => {}
        }
        let text = key.to_openssh().map_err(|error| refused(error.to_string()))?;
        let op = OpContext::node(clock::new_request_id(), "gateway");
        match guardian.add_user_key(&op, &wanted.name, wanted.role, &text, &fingerprint).await {
            Ok(_) => {
                tracing::info!(user = wanted.name, role = %wanted.role, fingerprint, "added a key from the configuration")
            }
            Err(GuardianError::KeyTaken { .. }) => {
                return Err(refused("it belongs to another user already".to_owned()).into());
            }
            Err(error @ GuardianError::DiskFull { .. }) => {
                tracing::warn!(user = wanted.name, %error, "a key from the configuration is added at a later start")
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
