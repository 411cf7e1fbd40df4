//! Telling a peer that there is something new here, so that it need not poll. A hint: it reads the catalogue itself.

use super::Session;
use crate::error::ReplicatorError;
use crate::shared::Shared;
use bib_domain::{DatasetRef, NodeId, VersionId};
use bib_proto::v1::PeerVersion;

/// Announces one version, or that several came.
pub(crate) async fn announce(
    shared: &Shared,
    peer: &NodeId,
    latest: Option<(DatasetRef, VersionId)>,
) -> Result<(), ReplicatorError> {
    let version = latest.map(|(dataset, version)| PeerVersion {
        dataset: dataset.to_string(),
        version: version.as_bytes().to_vec(),
        manifest_bytes: 0,
    });
    let mut session = Session::open(shared, peer).await?;
    session.announce(version).await?;
    session.close().await;
    Ok(())
}
