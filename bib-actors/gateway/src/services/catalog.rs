//! The catalogue as queries see it: the guardian's, in the name of the caller, and what connected nodes have besides.

use bib_chunks::SignedManifest;
use bib_domain::{DatasetRef, OpContext, VersionId};
use bib_guardian::{GuardianError, GuardianHandle};
use bib_query::{Catalog, CatalogError, Elsewhere, Resolved};
use bib_replicator::{Found, ReplicatorError, ReplicatorHandle};
use parking_lot::Mutex;
use std::sync::Arc;

/// How many names are suggested for one that is not known.
const SUGGESTIONS: usize = 3;
/// How many names are looked at for suggestions.
const NAMES: u32 = 1000;

/// Resolves datasets and remembers which, for the audit record.
pub(super) struct GuardianCatalog {
    guardian: GuardianHandle,
    replicator: ReplicatorHandle,
    resolved: Mutex<Vec<String>>,
}

impl GuardianCatalog {
    pub(super) fn new(guardian: &GuardianHandle, replicator: &ReplicatorHandle, op: &OpContext) -> Self {
        let (guardian, replicator) = (guardian.on_behalf_of(op), replicator.clone());
        Self { guardian, replicator, resolved: Mutex::new(Vec::new()) }
    }

    /// The datasets that were asked for, found or not.
    pub(super) fn resolved(&self) -> String {
        self.resolved.lock().join(", ")
    }

    async fn not_found(&self, wanted: &DatasetRef, elsewhere: Elsewhere) -> CatalogError {
        let known = self.guardian.list_datasets(None, None, NAMES).await.unwrap_or_default();
        let names = known.into_iter().map(|row| row.name.to_string());
        CatalogError::NotFound { suggestions: closest(&wanted.to_string(), names), elsewhere }
    }

    /// Has the connected nodes asked; the version that they have is in the catalogue then.
    async fn look_elsewhere(
        &self,
        dataset: &DatasetRef,
        selector: &str,
    ) -> Result<Result<VersionId, Elsewhere>, CatalogError> {
        match self.replicator.find(dataset, selector).await {
            Ok(Found::Version(id)) => Ok(Ok(id)),
            Ok(Found::Nobody { asked }) => Ok(Err(Elsewhere::Nobody { asked })),
            Ok(Found::Unconnected { paired: 0 }) => Ok(Err(Elsewhere::Nowhere)),
            Ok(Found::Unconnected { paired }) => Ok(Err(Elsewhere::Unconnected { paired })),
            Err(ReplicatorError::Guardian(
                error @ (GuardianError::Ambiguous { .. } | GuardianError::DiskFull { .. }),
            )) => Err(CatalogError::Other(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, %dataset, "other nodes could not be asked for a dataset");
                Ok(Err(Elsewhere::Silent))
            }
        }
    }

    async fn manifest(&self, dataset: &DatasetRef, id: VersionId, whole: bool) -> Result<Resolved, CatalogError> {
        let mut found = self.guardian.manifest(id).await;
        if !whole && !matches!(found, Ok(Some(_))) {
            // it was begun, and its manifest was lost or damaged since
            let _ = self.look_elsewhere(dataset, &id.to_hex()).await?;
            found = self.guardian.manifest(id).await;
        }
        let manifest: Option<Arc<SignedManifest>> = found.map_err(|error| CatalogError::Other(error.to_string()))?;
        let manifest = manifest.ok_or_else(|| CatalogError::Other(format!("version {id} has no manifest")))?;
        Ok(Resolved { manifest, whole })
    }
}

#[async_trait::async_trait]
impl Catalog for GuardianCatalog {
    async fn resolve(&self, dataset: &DatasetRef, version: Option<&str>) -> Result<Resolved, CatalogError> {
        {
            let mut resolved = self.resolved.lock();
            let name = dataset.to_string();
            if !resolved.contains(&name) {
                resolved.push(name);
            }
        }
        let selector = version.unwrap_or_default();
        let here = self.guardian.find_version(dataset, selector).await;
        let elsewhere = match &here {
            Ok(found) if found.complete || !selector.is_empty() => {
                return self.manifest(dataset, found.id, found.complete).await;
            }
            // of what is not kept whole here, others know the latest
            Ok(_) => self.look_elsewhere(dataset, selector).await?,
            Err(error) if is_unknown(error) => self.look_elsewhere(dataset, selector).await?,
            Err(error) => return Err(CatalogError::Other(error.to_string())),
        };
        let (found, elsewhere) = match elsewhere {
            // what was found is in the catalogue now, beside what was known before
            Ok(id) => (self.guardian.find_version(dataset, &id.to_hex()).await, Elsewhere::Nowhere),
            Err(elsewhere) => (here, elsewhere),
        };
        match found {
            Ok(found) => self.manifest(dataset, found.id, found.complete).await,
            Err(GuardianError::VersionNotFound { .. }) => {
                Err(CatalogError::NotFound { suggestions: Vec::new(), elsewhere })
            }
            Err(error) if is_unknown(&error) => Err(self.not_found(dataset, elsewhere).await),
            Err(error) => Err(CatalogError::Other(error.to_string())),
        }
    }
}

fn is_unknown(error: &GuardianError) -> bool {
    use GuardianError as E;
    matches!(error, E::DatasetNotFound { .. } | E::TopicNotFound { .. } | E::VersionNotFound { .. })
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
