//! The upload itself: files are read into a stream of messages, and those that the node has already are named instead.
//!
//! A file that looks as it did at the last upload is not read. A large one that does not, but has the size that the
//! version before says, is hashed first: where it is the same after all, nothing of it is sent. A node on the same machine
//! is passed large files open, and reads them itself.

use super::pass::Passer;
use super::seen::{Noted, Seen, Stamp};
use super::source::{Source, read};
use super::walk::{Found, Kind};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::progress::{Progress, UPLOAD};
use crate::session::Env;
use bib_domain::ContentHash;
use bib_proto::client::Client;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{Entry, KeptFile, PassedFile, UploadEnd, UploadHeader, UploadRequest, UploadResponse};
use futures::StreamExt;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

/// Bytes in one message of the stream.
const PART_BYTES: usize = 256 << 10;
/// Bytes, and messages, that go to the network together: waking it for each of many small files would take longer than
/// reading them.
const BATCH_BYTES: usize = 128 << 10;
const BATCH_PARTS: usize = 64;
/// Batches that wait between the disk and the network.
const BATCHES_AHEAD: usize = 16;
/// From this size on a node on this machine reads a file itself. Smaller ones are sent before it could be asked.
const PASS_FROM: u64 = 1 << 20;
/// Bytes that are hashed at a time.
const HASHED_AT_ONCE: usize = 1 << 20;
/// From this size on a file is hashed before it is sent, where the version before has one of its size.
const HASH_FIRST: u64 = 4 << 20;
/// The path that means standard input.
pub(super) const STANDARD_INPUT: &str = "-";
/// What the node says when it lacks a file that was to be kept.
const BASE_GONE: &str = "BASE_GONE";

/// The version that files may be taken over from.
#[derive(Debug, Default)]
struct Base {
    seen: Seen,
    /// Its id; empty if nothing can be taken over.
    version: String,
    /// Its large files that may be the same: size and hash.
    contents: HashMap<String, (u64, ContentHash)>,
}

impl Base {
    /// What is known of the version that was made of these files before, or that stands at the dataset now.
    async fn find(client: &Client, dataset: &str, seen: Seen, found: &[Found]) -> Self {
        let version = seen.version().to_owned();
        let mut base = Self { seen, version, contents: HashMap::new() };
        let doubtful = |item: &&Found| item.size >= HASH_FIRST && !base.seen.is_same(&item.path, &item.stamp);
        let wanted: HashMap<&str, u64> =
            found.iter().filter(doubtful).map(|item| (item.path.as_str(), item.size)).collect();
        if wanted.is_empty() {
            return base;
        }
        // there may be no such dataset yet; whatever else is wrong, the upload will say
        let Ok(answer) = client.whole_version(dataset, &base.version).await else { return base };
        let Some(version) = answer.version.filter(|version| version.complete) else { return base };
        let same = answer.entries.into_iter().filter(|entry| wanted.get(entry.path.as_str()) == Some(&entry.size));
        base.contents = same.filter_map(|e| Some((e.path, (e.size, e.content_hash.parse().ok()?)))).collect();
        base.version = version.id;
        base
    }
}

/// Sends everything. What the node turns out not to have is sent in a second try.
pub(super) async fn send(
    env: &Env,
    header: UploadHeader,
    found: Vec<Found>,
    seen: Option<Seen>,
) -> CliResult<UploadResponse> {
    let client = env.client().await?;
    let found = Arc::new(found);
    let base = match seen {
        Some(seen) => Some(Base::find(&client, &header.dataset, seen, &found).await),
        None => None,
    };
    let Some(base) = base.map(Arc::new) else {
        return Ok(stream(env, &client, header, &found, &Arc::default()).await?.0);
    };
    let offered = UploadHeader { base: base.version.clone(), ..header.clone() };
    let (answer, noted) = match stream(env, &client, offered, &found, &base).await {
        Err(error) if error.reason == BASE_GONE => {
            env.out.remark("note: the node no longer has all that was uploaded before; every file is sent");
            stream(env, &client, header, &found, &Arc::default()).await?
        }
        outcome => outcome?,
    };
    if let Some(version) = &answer.version
        && let Err(error) = base.seen.note(&version.id, &noted)
    {
        env.out.remark(&format!("note: {}; the next upload reads every file again", error.message));
    }
    Ok(answer)
}

/// One try. Answers how the files looked that went into it.
async fn stream(
    env: &Env,
    client: &Client,
    header: UploadHeader,
    found: &Arc<Vec<Found>>,
    base: &Arc<Base>,
) -> CliResult<(UploadResponse, Vec<Noted>)> {
    let total: u64 = found.iter().map(|item| item.size).sum();
    let (batches, stream) = mpsc::channel(BATCHES_AHEAD);
    let (seen, mut progressed) = mpsc::channel::<(u64, String)>(BATCHES_AHEAD);
    let piped = found.iter().any(|item| item.source == Path::new(STANDARD_INPUT));
    let (found, base) = (Arc::clone(found), Arc::clone(base));
    let (passer, hangup) = Passer::new(client.address());
    let (told, mut outcome) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let mut outlet = Outlet::new(batches, seen, passer, &base);
        let read = outlet.everything(header, &found).map(|()| std::mem::take(&mut outlet.noted));
        // told before the stream ends, so that it is known when the node answers that end
        let _ = told.send(read);
    });
    let mut datasets = client.datasets();
    let call = datasets.upload(ReceiverStream::new(stream).flat_map(futures::stream::iter));
    tokio::pin!(call);
    let mut progress = Progress::new(&env.global, UPLOAD, total);
    let answer = loop {
        tokio::select! {
            answer = &mut call => break answer,
            Some((more, name)) = progressed.recv() => progress.advance(more, &name),
        }
    };
    progress.finish();
    drop(progressed);
    // the node has said all that it will say
    hangup.hang_up();
    let read = match &answer {
        // whoever writes the input may take a long time yet, for nothing
        Err(_) if piped => match outcome.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => Err(None),
            read => read.map_err(|_| stopped())?,
        },
        _ => outcome.await.map_err(|_| stopped())?,
    };
    // a file that cannot be read is the reason, whatever the node then says about a stream that ended early
    let noted = match read {
        Err(Some(error)) => return Err(error),
        Ok(noted) => noted,
        Err(None) => Vec::new(),
    };
    Ok((answer?.into_inner(), noted))
}

fn stopped() -> CliError {
    CliError::new(Exit::Failed, "reading stopped before its end; nothing was put in")
        .hint("upload again; if it happens twice, it is a fault of bib")
}

/// The end of the stream at which files are read. `Err(None)`: the node hung up first, and says why itself.
struct Outlet<'a> {
    batches: mpsc::Sender<Vec<UploadRequest>>,
    /// What is not on its way yet, and its bytes of data.
    batch: Vec<UploadRequest>,
    bytes: usize,
    seen: mpsc::Sender<(u64, String)>,
    /// Bytes that were read and not told yet, and the last file.
    unseen: u64,
    path: String,
    /// Passes large files instead of their bytes.
    passer: Passer,
    base: &'a Base,
    noted: Vec<Noted>,
}

impl<'a> Outlet<'a> {
    fn new(
        batches: mpsc::Sender<Vec<UploadRequest>>,
        seen: mpsc::Sender<(u64, String)>,
        passer: Passer,
        base: &'a Base,
    ) -> Self {
        let (batch, noted, path) = (Vec::new(), Vec::new(), String::new());
        Self { batches, batch, bytes: 0, seen, unseen: 0, path, passer, base, noted }
    }

    fn put(&mut self, part: Part) -> Result<(), Option<CliError>> {
        if let Part::Data(data) = &part {
            self.bytes += data.len();
        }
        self.batch.push(UploadRequest { part: Some(part) });
        if self.bytes >= BATCH_BYTES || self.batch.len() >= BATCH_PARTS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Option<CliError>> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.tell();
        self.batches.blocking_send(std::mem::take(&mut self.batch)).map_err(|_| None)
    }

    /// Progress may be dropped, data may not.
    fn tell(&mut self) {
        if self.seen.try_send((self.unseen, self.path.clone())).is_ok() {
            self.unseen = 0;
        }
    }

    fn progressed(&mut self, bytes: u64, path: &str) {
        self.unseen += bytes;
        path.clone_into(&mut self.path);
    }

    fn everything(&mut self, header: UploadHeader, found: &[Found]) -> Result<(), Option<CliError>> {
        // the node has much to check before the first file
        self.put(Part::Header(header))?;
        self.flush()?;
        let mut end = UploadEnd { entries: found.len() as u64, bytes: 0 };
        for item in found {
            let (kind, target) = match &item.kind {
                Kind::File => {
                    end.bytes += self.file(item)?;
                    continue;
                }
                Kind::Directory => ("directory", String::new()),
                Kind::Symlink(target) => ("symlink", target.clone()),
            };
            let (path, kind) = (item.path.clone(), kind.to_owned());
            self.put(Part::Entry(Entry { path, kind, mode: item.mode, target, ..Entry::default() }))?;
        }
        self.put(Part::End(end))?;
        self.flush()
    }

    /// Keeps or sends one file; answers how many bytes were sent.
    fn file(&mut self, item: &Found) -> Result<u64, Option<CliError>> {
        let read_ms = crate::now_ms();
        let (path, stamp) = (item.path.clone(), item.stamp);
        if self.base.seen.is_same(&path, &stamp) || self.is_same_content(item)? {
            self.put(Part::Kept(KeptFile { path: path.clone(), mode: item.mode }))?;
            self.progressed(item.size, &path);
            self.noted.push(Noted { path, stamp, read_ms });
            return Ok(0);
        }
        let entry =
            Entry { path: path.clone(), kind: "file".to_owned(), size: item.size, mode: item.mode, ..Entry::default() };
        self.put(Part::Entry(entry))?;
        if item.source == Path::new(STANDARD_INPUT) {
            return self.input(item);
        }
        if item.size >= PASS_FROM
            && let Some(stamp) = self.pass(item)?
        {
            self.noted.push(Noted { path, stamp, read_ms });
            return Ok(item.size);
        }
        let (sent, stamp) = read(item, PART_BYTES, |part| {
            let bytes = part.len() as u64;
            self.put(Part::Data(part))?;
            self.progressed(bytes, &item.path);
            Ok(())
        })?;
        self.noted.push(Noted { path, stamp, read_ms });
        Ok(sent)
    }

    /// Lets the node read the file, if it is on this machine and wants to. Answers how the file looks.
    fn pass(&mut self, item: &Found) -> Result<Option<Stamp>, Option<CliError>> {
        let source = Source::open(item)?;
        let Some(ticket) = self.passer.pass(&source.file) else { return Ok(None) };
        self.put(Part::Passed(PassedFile { ticket: ticket.to_vec() }))?;
        self.flush()?;
        let mut read = 0;
        loop {
            // when it reads no further it says why itself
            let (now, all) = self.passer.progress().map_err(|_| None)?;
            self.progressed(now.saturating_sub(read), &item.path);
            self.tell();
            read = now;
            if all {
                return source.end(read).map(Some);
            }
        }
    }

    /// Whether a large file, which looks other than before, has the content that the base has there.
    fn is_same_content(&self, item: &Found) -> Result<bool, Option<CliError>> {
        let Some((size, content)) = self.base.contents.get(&item.path) else { return Ok(false) };
        if *size != item.size {
            return Ok(false);
        }
        let mut hasher = Sha256::new();
        let (_, stamp) = read(item, HASHED_AT_ONCE, |part| {
            hasher.update(&part);
            Ok(())
        })?;
        Ok(stamp == item.stamp && ContentHash::from_bytes(hasher.finalize().into()) == *content)
    }

    /// Standard input to its end. Nothing at all is taken for a failure of what should have written it.
    fn input(&mut self, item: &Found) -> Result<u64, Option<CliError>> {
        let mut input = std::io::stdin().lock();
        let mut sent = 0_u64;
        loop {
            // whoever writes it takes his time
            self.flush()?;
            let mut part = Vec::with_capacity(PART_BYTES);
            let read = input.by_ref().take(PART_BYTES as u64).read_to_end(&mut part).map_err(|error| {
                Some(CliError::new(Exit::Failed, format!("cannot read standard input: {error}; nothing was put in")))
            })?;
            if read == 0 {
                break;
            }
            sent += read as u64;
            self.put(Part::Data(part))?;
            self.progressed(read as u64, &item.path);
        }
        if sent > 0 {
            return Ok(sent);
        }
        let error = CliError::usage("standard input was empty; nothing was put in").because("EMPTY_INPUT");
        Err(Some(error.hint("look at the program before the pipe; an empty file can be uploaded by its name")))
    }
}
