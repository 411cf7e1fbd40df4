//! A node whose catalogue has many versions: published by a guardian of this program's own while the daemon stands still.

use super::keeper::{Estate, Keeper, operation};
use anyhow::{Context, ensure};
use bib_chunks::{Manifest, SignedManifest};
use bib_domain::DatasetRef;
use bib_guardian::VersionState;
use bib_node_tests::{Lab, Node, NodeSpec, is_interrupted};
use bib_swarm::Identity;
use futures::future::try_join_all;
use std::sync::Arc;

/// Publications at the same time, each to a dataset of its own at that moment.
const AT_ONCE: usize = 16;
/// Versions of each dataset.
const EACH: usize = 100;

/// The node, and how many versions it has.
pub(crate) struct Catalog {
    pub(crate) node: Node,
    versions: usize,
    // dropped after the node
    _lab: Lab,
}

impl Catalog {
    /// A full node with one dataset of one small file.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let lab = Lab::new()?;
        let mut node = lab.node(NodeSpec::full("full"))?;
        node.start()?;
        let file = lab.path().join("seed.bin");
        std::fs::write(&file, "a small file")?;
        node.bib(&["topic", "create", "bench"])?.ok()?;
        node.bib(&["dataset", "upload", &file.to_string_lossy(), "--topic", "bench", "--name", "seed"])?.ok()?;
        Ok(Self { node, versions: 1, _lab: lab })
    }

    /// Adds versions until there are `count`; the node is restarted for that.
    pub(crate) fn fill(&mut self, count: usize) -> anyhow::Result<()> {
        self.node.stop()?;
        let data = self.node.data_dir();
        let identity = Identity::load_or_create(&data.join("identity.key"))?;
        let (seal, public_key) = (identity.derive("bib/kek/db/v1"), identity.public_key());
        let keeper = Keeper::start(&Estate { data, seal, public_key }, false)?;
        keeper.block_on(publish(&keeper, &identity, self.versions, count))?;
        keeper.stop()?;
        self.versions = self.versions.max(count);
        self.node.start()?;
        let found = self.node.json(&["status"])?;
        let versions = found["versions"].as_u64().or_else(|| found["counts"]["versions"].as_u64());
        ensure!(versions.is_none_or(|found| found == self.versions as u64), "not {count} versions: {found}");
        Ok(())
    }
}

async fn publish(keeper: &Keeper, identity: &Identity, from: usize, to: usize) -> anyhow::Result<()> {
    let seed: DatasetRef = "bench/seed".parse()?;
    let version = keeper.guardian.find_version(&seed, "").await?;
    let signed = keeper.guardian.manifest(version.id).await?.context("the seed's manifest")?;
    let (seed, key) = (signed.manifest(), identity.signing_key());
    let lane = |lane: usize| {
        let (seed, key, guardian) = (seed.clone(), key.clone(), keeper.guardian.clone());
        async move {
            for at in (from..to).filter(|at| at / EACH % AT_ONCE == lane) {
                ensure!(!is_interrupted(), "interrupted");
                let manifest = Manifest {
                    dataset: format!("bench/d{}", at / EACH),
                    number: (at % EACH) as u64 + 1,
                    created_ms: 1_700_000_000_000 + i64::try_from(at)?,
                    ..seed.clone()
                };
                let signed = Arc::new(SignedManifest::sign(manifest, &key)?);
                guardian.publish(&operation(), signed, VersionState { complete: true }).await?;
            }
            anyhow::Ok(())
        }
    };
    try_join_all((0..AT_ONCE).map(lane)).await.map(|_| ())
}
