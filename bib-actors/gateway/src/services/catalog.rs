//! The catalogue as queries see it: the guardian's, in the name of the caller.

use bib_chunks::SignedManifest;
use bib_domain::{DatasetRef, OpContext};
use bib_guardian::{GuardianError, GuardianHandle};
use bib_query::{Catalog, CatalogError};
use parking_lot::Mutex;
use std::sync::Arc;

/// How many names are suggested for one that is not known.
const SUGGESTIONS: usize = 3;
/// How many names are looked at for suggestions.
const NAMES: u32 = 1000;

/// Resolves datasets and remembers which, for the audit record.
pub(super) struct GuardianCatalog {
    guardian: GuardianHandle,

    resolved: Mutex<Vec<String>>,
}

impl GuardianCatalog {
    pub(super) fn new(guardian: &GuardianHandle, op: &OpContext) -> Self {
        Self { guardian: guardian.on_behalf_of(op), resolved: Mutex::new(Vec::new()) }
    }

    /// The datasets that were asked for, found or not.
    pub(super) fn resolved(&self) -> String {
        self.resolved.lock().join(", ")
    }

    async fn not_found(&self, wanted: &DatasetRef) -> CatalogError {
        let known = self.guardian.list_datasets(None, None, NAMES).await.unwrap_or_default();
        let names = known.into_iter().map(|row| row.name.to_string());
        CatalogError::NotFound { suggestions: closest(&wanted.to_string(), names) }
    }
}

#[async_trait::async_trait]
impl Catalog for GuardianCatalog {
    async fn resolve(&self, dataset: &DatasetRef, version: Option<&str>) -> Result<Arc<SignedManifest>, CatalogError> {
        {
            let mut resolved = self.resolved.lock();
            let name = dataset.to_string();
            if !resolved.contains(&name) {
                resolved.push(name);
            }
        }
        let found = match self.guardian.find_version(dataset, version.unwrap_or_default()).await {
            Ok(found) => found,
            Err(GuardianError::DatasetNotFound { .. } | GuardianError::TopicNotFound { .. }) => {
                return Err(self.not_found(dataset).await);
            }
            Err(GuardianError::VersionNotFound { .. }) => {
                return Err(CatalogError::NotFound { suggestions: Vec::new() });
            }
            Err(error) => return Err(CatalogError::Other(error.to_string())),
        };
        if !found.complete {
            return Err(CatalogError::Incomplete);
        }
        let signed = self.guardian.manifest(found.id).await.map_err(|error| CatalogError::Other(error.to_string()))?;
        signed.ok_or_else(|| CatalogError::Other(format!("version {} has no manifest", found.id)))
    }
}

/// The names that look most like `wanted`, best first; none that looks like something else.
fn closest(wanted: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let mut near: Vec<(usize, String)> = names
        .map(|name| (strsim::damerau_levenshtein(wanted, &name), name))
        .filter(|(far, _)| *far <= 1 + wanted.len() / 3)
        .collect();
    near.sort();
    near.into_iter().take(SUGGESTIONS).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_looks_alike() {
        let names = || ["flights/2013", "flights/2014", "weather/all"].map(str::to_owned).into_iter();
        assert_eq!(closest("flight/2013", names()), ["flights/2013", "flights/2014"]);
        assert!(closest("genomes/human", names()).is_empty());
    }
}
