//! What is asked of a node again and again: is everything there, whole, and recorded?

use crate::clients::{connect, content_of};
use crate::ledger::Acknowledged;
use anyhow::{Context, ensure};
use bib_node_tests::{Lab, Node, NodeSpec, until};
use bib_proto::client::Client;
use bib_proto::v1::{
    DownloadRequest, GetHealthRequest, GetHealthResponse, VerifyAuditRequest, VerifyRequest, download_response,
    verify_response,
};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::sleep;
use tonic::{Code, Status};

/// How long a node may take to get over a fault on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How often a call that found the node busy is tried again.
const TRIES: u32 = 400;

/// A full node with the topic that uploaders use, running.
pub(crate) fn full(lab: &Lab, spec: NodeSpec) -> anyhow::Result<Node> {
    let mut node = lab.node(spec)?;
    node.start()?;
    node.bib(&["topic", "create", crate::clients::TOPIC])?.ok()?;
    Ok(node)
}

/// Has `node` subscribe to `topic` as soon as it hears of it.
pub(crate) fn subscribe(node: &Node, topic: &str) -> anyhow::Result<()> {
    until("the topic is known", PATIENCE, || node.bib(&["topic", "get", topic]).is_ok_and(|o| o.code == 0))?;
    node.bib(&["topic", "subscribe", topic])?.ok()?;
    Ok(())
}

/// Asks a node questions over its own socket.
pub(crate) struct Inquiry<'a> {
    runtime: &'a Runtime,
    client: Client,
}

impl<'a> Inquiry<'a> {
    pub(crate) fn begin(runtime: &'a Runtime, data: &Path) -> anyhow::Result<Self> {
        let client = runtime.block_on(async {
            for _ in 0..TRIES {
                if let Some(client) = connect(data).await {
                    return Some(client);
                }
                sleep(Duration::from_millis(25)).await;
            }
            None
        });
        Ok(Self { runtime, client: client.context("the node does not answer on its socket")? })
    }

    /// Every version of `wanted` that is not there or does not verify, in words.
    pub(crate) fn lost(&self, wanted: &[Acknowledged]) -> Vec<String> {
        let one = |version: &Acknowledged| match self.runtime.block_on(verify(&self.client, version)) {
            Ok(()) => None,
            Err(error) => Some(format!("{} version {}: {error:#}", version.dataset, version.version)),
        };
        wanted.iter().filter_map(one).collect()
    }

    /// Every version of `wanted` whose bytes are not those that were sent.
    pub(crate) fn changed(&self, wanted: &[Acknowledged]) -> Vec<String> {
        let one = |version: &Acknowledged| {
            let bytes = self.runtime.block_on(download(&self.client, &version.dataset, &version.version));
            match bytes {
                Ok(bytes) if bytes == content_of(version.content, version.length) => None,
                Ok(bytes) => Some(format!("{}: {} other bytes were served", version.dataset, bytes.len())),
                Err(error) => Some(format!("{}: {error:#}", version.dataset)),
            }
        };
        wanted.iter().filter_map(one).collect()
    }

    /// The bytes of the latest version of a dataset that are served, and whether that is all of them.
    pub(crate) fn bytes(&self, dataset: &str) -> (Vec<u8>, Result<(), Status>) {
        let mut bytes = Vec::new();
        let outcome = self.runtime.block_on(async {
            let request = DownloadRequest { dataset: dataset.to_owned(), ..Default::default() };
            let mut stream = self.client.datasets().download(request).await?.into_inner();
            while let Some(answer) = stream.message().await? {
                if let Some(download_response::Part::Data(data)) = answer.part {
                    bytes.extend(data);
                }
            }
            Ok::<(), Status>(())
        });
        (bytes, outcome)
    }

    /// What is wrong with the audit log; the number of its records if nothing is.
    pub(crate) fn audit(&self) -> anyhow::Result<u64> {
        let verdict = self.asked(async |client| client.admin().verify_audit(VerifyAuditRequest {}).await)?;
        ensure!(verdict.ok, "the audit log is hurt: {}", verdict.problem);
        Ok(verdict.records)
    }

    /// The answer to a call that is made again while the node is busy.
    pub(crate) fn asked<T>(
        &self,
        ask: impl AsyncFn(&Client) -> Result<tonic::Response<T>, Status>,
    ) -> anyhow::Result<T> {
        Ok(self.runtime.block_on(patiently(|| ask(&self.client)))?.into_inner())
    }

    pub(crate) fn health(&self) -> anyhow::Result<GetHealthResponse> {
        let asked = async { self.client.health().get_health(GetHealthRequest {}).await };
        Ok(self.runtime.block_on(asked)?.into_inner())
    }
}

/// How often each actor was restarted.
pub(crate) fn restarts(health: &GetHealthResponse) -> Vec<(String, u64)> {
    health.actors.iter().map(|actor| (actor.name.clone(), actor.restarts)).collect()
}

/// Asks again while the node is busy or an actor restarts.
async fn patiently<T, F: Future<Output = Result<T, Status>>>(mut ask: impl FnMut() -> F) -> Result<T, Status> {
    let mut last = Status::unknown("never asked");
    for _ in 0..TRIES {
        match ask().await {
            Ok(done) => return Ok(done),
            Err(status) if matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) => last = status,
            Err(status) => return Err(status),
        }
        sleep(Duration::from_millis(25)).await;
    }
    Err(last)
}

async fn verify(client: &Client, version: &Acknowledged) -> anyhow::Result<()> {
    let request =
        VerifyRequest { dataset: version.dataset.clone(), version: version.version.clone(), ..Default::default() };
    let stream = patiently(|| async { client.datasets().verify(request.clone()).await }).await?;
    let (mut stream, mut whole) = (stream.into_inner(), false);
    // to its end: only that says whether the call went well
    while let Some(answer) = stream.message().await? {
        if let Some(verify_response::Part::Report(report)) = answer.part {
            ensure!(report.ok, "it does not verify: {:?}", report.damage.first());
            whole = true;
        }
    }
    ensure!(whole, "no report");
    Ok(())
}

/// The bytes of a version's files, one after the other.
pub(crate) async fn download(client: &Client, dataset: &str, version: &str) -> anyhow::Result<Vec<u8>> {
    let request = DownloadRequest { dataset: dataset.to_owned(), version: version.to_owned(), ..Default::default() };
    let stream = patiently(|| async { client.datasets().download(request.clone()).await }).await?;
    let (mut stream, mut bytes) = (stream.into_inner(), Vec::new());
    while let Some(answer) = stream.message().await? {
        if let Some(download_response::Part::Data(data)) = answer.part {
            bytes.extend(data);
        }
    }
    Ok(bytes)
}
