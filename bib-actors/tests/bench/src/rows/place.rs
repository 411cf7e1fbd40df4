//! A running node with a topic to put things into.

use anyhow::{Context, ensure};
use bib_node_tests::{Lab, Node, NodeSpec};
use bib_proto::client::{Address, Client, ClientOptions, Credential, Trust, TrustStore};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::runtime::Runtime;

/// The topic.
const TOPIC: &str = "bench";

/// A full node in a folder that is gone at the end.
pub(crate) struct Place {
    pub(crate) node: Node,
    key: PathBuf,
    // dropped after the node
    pub(crate) lab: Lab,
}

impl Place {
    /// A node on a database of its own, started.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let lab = Lab::new()?;
        let key = lab.path().join("key");
        let mut keygen = Command::new("ssh-keygen");
        crate::peers::run(keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f"]).arg(&key))?;
        let public = std::fs::read_to_string(key.with_extension("pub")).context("read the key that was made")?;
        let more = format!("[[users]]\nname = \"bench\"\nrole = \"admin\"\nkey = \"{}\"", public.trim());
        let mut node = lab.node(NodeSpec { more, ..NodeSpec::full("bench") })?;
        node.start()?;
        node.bib(&["topic", "create", TOPIC])?.ok()?;
        Ok(Self { node, key, lab })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.lab.path().join(name)
    }

    /// Puts a file or folder in with the whole program; answers what it printed.
    pub(crate) fn upload(&self, source: &Path, name: &str) -> anyhow::Result<Value> {
        let source = source.to_string_lossy();
        self.node.json(&["dataset", "upload", &source, "--topic", TOPIC, "--name", name])
    }

    /// Has every chunk of a dataset hashed again.
    pub(crate) fn verify(&self, name: &str) -> anyhow::Result<()> {
        let report = self.node.json(&["dataset", "verify", &format!("{TOPIC}/{name}")])?;
        ensure!(report["ok"] == true && report["signatureOk"] == true, "{report}");
        Ok(())
    }

    /// A connection to the node's Unix socket.
    pub(crate) fn local(&self, runtime: &Runtime) -> anyhow::Result<Client> {
        let address = Address::Unix(self.node.data_dir().join("run/bib.sock"));
        let store = TrustStore::at(self.path("unused"));
        Ok(runtime.block_on(Client::connect(&address, &store, Trust::KnownOnly, ClientOptions::default()))?)
    }

    /// A connection over TLS with a session.
    pub(crate) async fn remote(&self) -> anyhow::Result<Client> {
        let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: self.node.grpc().port() };
        let store = TrustStore::at(self.path("trust"));
        let mut client = Client::connect(&address, &store, Trust::FirstUse, ClientOptions::default()).await?;
        client.log_in(&Credential::File { path: self.key.clone(), passphrase: None }).await?;
        Ok(client)
    }
}
