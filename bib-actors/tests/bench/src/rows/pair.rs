//! Two nodes that are paired: the first has data, the second fetches them.

use anyhow::ensure;
use bib_node_tests::{Lab, Node, NodeSpec, until};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a version may take to arrive.
pub(crate) const ARRIVAL: Duration = Duration::from_secs(300);

/// The nodes, on databases of their own.
pub(crate) struct Pair {
    pub(crate) first: Node,
    pub(crate) second: Node,
    // dropped after the nodes
    lab: Lab,
}

impl Pair {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let lab = Lab::new()?;
        let (mut first, mut second) = (lab.node(NodeSpec::full("first"))?, lab.node(NodeSpec::selective("second"))?);
        first.start()?;
        second.start()?;
        let ticket = first.bib(&["invite", "-q"])?.ok()?.stdout;
        second.bib(&["join", ticket.trim()])?.ok()?;
        Ok(Self { first, second, lab })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.lab.path().join(name)
    }

    /// Puts `source` into a topic of its own at the first node, and waits until the second one knows of it.
    pub(crate) fn publish(&self, source: &Path, topic: &str) -> anyhow::Result<()> {
        self.first.bib(&["topic", "create", topic])?.ok()?;
        self.first.bib(&["dataset", "upload", &source.to_string_lossy(), "--topic", topic, "--name", "data"])?.ok()?;
        until("the topic is known", ARRIVAL, || self.second.bib(&["topic", "get", topic]).is_ok_and(|o| o.code == 0))
    }

    /// Has the second node fetch the topic; comes back when all of it is there, synced and acknowledged.
    pub(crate) fn fetch(&self, topic: &str) -> anyhow::Result<()> {
        subscribe(&self.second, topic)
    }

    /// Has the second node hash all of it again.
    pub(crate) fn prove(&self, topic: &str) -> anyhow::Result<()> {
        prove(&self.second, topic)
    }
}

/// Subscribes a node to a topic with the dataset `data`, and waits until that is complete.
pub(crate) fn subscribe(node: &Node, topic: &str) -> anyhow::Result<()> {
    node.bib(&["topic", "subscribe", topic])?.ok()?;
    until("it is all there", ARRIVAL, || is_complete(node, topic))
}

/// Whether a node has the whole dataset.
pub(crate) fn is_complete(node: &Node, topic: &str) -> bool {
    // manifests are not asked for: a listing is one row, however many files there are
    let versions = node.json(&["dataset", "versions", &format!("{topic}/data")]);
    versions.is_ok_and(|versions| versions[0]["complete"] == true)
}

/// Has a node verify the dataset.
pub(crate) fn prove(node: &Node, topic: &str) -> anyhow::Result<()> {
    let report = node.json(&["dataset", "verify", &format!("{topic}/data")])?;
    ensure!(report["ok"] == true && report["signatureOk"] == true, "{report}");
    Ok(())
}
