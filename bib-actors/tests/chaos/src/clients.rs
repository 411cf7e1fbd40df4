//! Uploaders that go on whatever happens to the node, and remember what it acknowledged.
//!
//! Each tries one upload, with one request id, until it is acknowledged; what it was told before is never forgotten.

use crate::dice::Dice;
use crate::ledger::{Acknowledged, Ledger};
use bib_proto::client::{Address, Client, ClientOptions, FilePasser, Trust, TrustStore};
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{Entry, PassedFile, UploadEnd, UploadHeader, UploadRequest, UploadResponse};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

/// Uploaders, as the scenario has them.
pub(crate) const UPLOADERS: usize = 16;
/// The topic of everything that is uploaded here.
pub(crate) const TOPIC: &str = "chaos";
/// Versions of one dataset, so that no list of versions grows for ever.
const VERSIONS: u64 = 40;
/// Longer than any answer may take: whoever is not answered by then asks again.
const ANSWER: Duration = Duration::from_secs(20);
const PIECE: usize = 512 << 10;

/// Connects over the node's own socket.
pub(crate) async fn connect(data: &Path) -> Option<Client> {
    let address = Address::Unix(data.join("run/bib.sock"));
    let store = TrustStore::at(data.join("unused"));
    Client::connect(&address, &store, Trust::KnownOnly, ClientOptions::default()).await.ok()
}

/// A crowd of uploaders on threads of their own. Dropping it ends them.
pub(crate) struct Crowd {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) runtime: Runtime,
    tasks: Vec<JoinHandle<()>>,
    held: Arc<AtomicBool>,
}

impl Crowd {
    /// Starts `count` uploaders to the node with this data directory.
    pub(crate) fn start(data: PathBuf, count: usize, dice: &Dice) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (ledger, held) = (Arc::new(Ledger::default()), Arc::new(AtomicBool::new(false)));
        let tasks = (0..count as u64).map(|number| {
            let uploader = Uploader {
                number,
                data: data.clone(),
                ledger: Arc::clone(&ledger),
                held: Arc::clone(&held),
                dice: dice.branch(number),
            };
            runtime.spawn(uploader.run())
        });
        let tasks = tasks.collect();
        Ok(Self { ledger, runtime, tasks, held })
    }

    /// While `held`, no uploader begins another upload: what is checked meanwhile does not grow.
    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Ends the uploaders and waits for their end.
    pub(crate) fn stop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks.drain(..) {
            // an aborted task ends with an error, which is its way to say so; a panic is a defect of this program
            if let Err(error) = self.runtime.block_on(task)
                && error.is_panic()
            {
                self.ledger.complain(format!("an uploader panicked: {error}"));
            }
        }
    }
}

struct Uploader {
    number: u64,
    data: PathBuf,
    ledger: Arc<Ledger>,
    held: Arc<AtomicBool>,
    dice: Dice,
}

impl Uploader {
    async fn run(mut self) {
        let mut client = None;
        for upload in 0.. {
            let content = self.dice.next();
            // most are small, some take several chunks and so some time
            let length = if self.dice.one_in(12) { 3 << 20 } else { 1000 + self.dice.below(30_000) as usize };
            let dataset = format!("{TOPIC}/u{}-{}", self.number, upload / VERSIONS);
            let request_id = bib_domain::RequestId::from_bytes(
                ((u128::from(content) << 64) | u128::from(self.dice.next())).to_be_bytes(),
            );
            while self.held.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(10)).await;
            }
            loop {
                if client.is_none() {
                    client = connect(&self.data).await;
                }
                let Some(connected) = &client else {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                };
                self.ledger.tried();
                let bytes = content_of(content, length);
                let request_id = request_id.to_string();
                let sending = async {
                    // of those that a program on this machine would pass, half are
                    if length > PIECE && content.is_multiple_of(2) {
                        pass(connected, &self.data, &dataset, &request_id, bytes).await
                    } else {
                        send(connected, &dataset, &request_id, bytes).await
                    }
                };
                match timeout(ANSWER, sending).await {
                    Ok(Ok(answer)) => {
                        let version = answer.version.map(|version| version.id).unwrap_or_default();
                        self.ledger.add(Acknowledged { dataset: dataset.clone(), version, content, length });
                        break;
                    }
                    Ok(Err(status)) => {
                        if is_nonsense(&status) && !is_late(&status) {
                            self.ledger.complain(format!("{dataset}: the retry of an upload was refused: {status}"));
                        }
                        client = client.filter(|_| status.code() == Code::ResourceExhausted);
                        sleep(Duration::from_millis(10 + self.dice.below(20))).await;
                    }
                    Err(_) => client = None,
                }
            }
        }
    }
}

/// What no fault explains.
fn is_nonsense(status: &Status) -> bool {
    matches!(status.code(), Code::AlreadyExists | Code::InvalidArgument | Code::DataLoss | Code::PermissionDenied)
}

/// The file was passed to a life of the node that is over.
fn is_late(status: &Status) -> bool {
    status.message().contains("no file was passed to the node with this ticket")
}

/// The bytes of one file.
pub(crate) fn content_of(content: u64, length: usize) -> Vec<u8> {
    Dice::new(content).bytes(length)
}

/// Uploads one file of these bytes.
pub(crate) async fn send(
    client: &Client,
    dataset: &str,
    request_id: &str,
    bytes: Vec<u8>,
) -> Result<UploadResponse, Status> {
    let pieces = bytes.chunks(PIECE).map(|piece| Part::Data(piece.to_vec())).collect();
    one(client, dataset, request_id, bytes.len() as u64, pieces).await
}

/// Uploads one file of these bytes by passing it open; sends them where it cannot be passed.
async fn pass(
    client: &Client,
    data: &Path,
    dataset: &str,
    request_id: &str,
    bytes: Vec<u8>,
) -> Result<UploadResponse, Status> {
    let (socket, content) = (data.join("run/bib.sock"), bytes.clone());
    let passed = tokio::task::spawn_blocking(move || {
        let mut file = tempfile::tempfile()?;
        file.write_all(&content)?;
        let mut passer = FilePasser::connect(&socket)?;
        Ok::<_, std::io::Error>(passer.pass(&file)?.map(|ticket| (passer, ticket)))
    });
    let Ok(Ok(Some((_passer, ticket)))) = passed.await else {
        return send(client, dataset, request_id, bytes).await;
    };
    let passed = vec![Part::Passed(PassedFile { ticket: ticket.to_vec() })];
    one(client, dataset, request_id, bytes.len() as u64, passed).await
}

async fn one(
    client: &Client,
    dataset: &str,
    request_id: &str,
    size: u64,
    content: Vec<Part>,
) -> Result<UploadResponse, Status> {
    let header = UploadHeader { dataset: dataset.into(), request_id: request_id.into(), ..Default::default() };
    let entry = Entry { path: "data.bin".into(), kind: "file".into(), size, mode: 0o644, ..Default::default() };
    let mut parts = vec![Part::Header(header), Part::Entry(entry)];
    parts.extend(content);
    parts.push(Part::End(UploadEnd { entries: 1, bytes: size }));
    let parts = parts.into_iter().map(|part| UploadRequest { part: Some(part) });
    client.datasets().upload(futures::stream::iter(parts)).await.map(tonic::Response::into_inner)
}
