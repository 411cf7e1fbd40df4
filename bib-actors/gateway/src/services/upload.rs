//! Upload: the client's messages, checked and handed to the thread that writes.
//!
//! Nothing is visible before the last message has come and everything is durable; a client that goes away leaves
//! nothing but chunks that no version names.

use super::receive::{Command, FileStart, base_gone, receive};
use super::tables::Notice;
use super::{convert, dataset, origin, publish};
use crate::access::Caller;
use crate::listen::{Origin, Passing};
use crate::mapping::{busy, topic_not_found};
use crate::options::TransferOptions;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_chunks::{Content, SignedManifest};
use bib_domain::{ContentHash, DatasetRef, Need, OpContext, VersionId};
use bib_proto::passing::READ;
use bib_proto::v1;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{Entry, KeptFile, PassedFile, UploadEnd, UploadHeader, UploadRequest, UploadResponse};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::{Code, Status, Streaming};

/// Longest message of a version, in bytes.
const MESSAGE_MAX: usize = 4096;
/// What a refusal stands under in the audit log.
const METHOD: &str = "/bib.v1.DatasetService/Upload";

/// Takes an upload and publishes it.
pub(super) async fn upload(
    shared: &Arc<Shared>,
    caller: &Caller,
    mut parts: Streaming<UploadRequest>,
) -> Result<UploadResponse, Problem> {
    let limits = &shared.options.transfers;
    let _place = shared.uploads.clone().try_acquire_owned().map_err(|_| busy("uploads", limits.uploads))?;
    let Some(Part::Header(header)) = next(&mut parts, limits).await? else {
        return Err(order("an upload begins with its header"));
    };
    let op = caller.op_with(&header.request_id)?;
    let (dataset, base) = check_header(&header)?;
    if let Err(full) = shared.deps.guardian.space().admit(Need::Room) {
        let problem = Problem::from(full);
        shared.journal.refused(caller, METHOD, &problem).await;
        return Err(problem);
    }
    origin::check(shared).await?;
    if shared.deps.guardian.on_behalf_of(&op).get_topic(&dataset.topic).await?.is_none() {
        return Err(topic_not_found(dataset.topic.as_str()));
    }
    let base = match base {
        Some(id) => Some(find_base(shared, &op, &dataset, id).await?),
        None => None,
    };
    let (received, kept_files) = take(shared, caller.origin, base.clone(), parts).await?;
    let request = publish::Request {
        dataset,
        message: header.message,
        allow_broken: header.allow_broken_tables,
        kept_from: base.filter(|_| kept_files > 0).map(|base| base.id()),
    };
    let done = publish::publish(shared, &op, request, received).await?;
    Ok(UploadResponse {
        version: Some(convert::version(done.version, false)),
        new_bytes: done.new_bytes,
        new_chunks: done.new_chunks,
        created: done.created,
        audit_seq: done.audit_seq,
        notices: done.notices.into_iter().map(|Notice { path, text }| v1::Notice { path, text }).collect(),
        more_notices: done.more_notices,
        kept_files,
    })
}

fn check_header(header: &UploadHeader) -> Result<(DatasetRef, Option<VersionId>), Problem> {
    let dataset = header.dataset.parse::<DatasetRef>().map_err(|error| {
        Problem::invalid("header.dataset", "BAD_NAME", error.to_string()).with("dataset", header.dataset.clone())
    })?;
    if header.message.len() > MESSAGE_MAX || header.message.chars().any(|c| c.is_control() && c != '\n') {
        let text = format!("a version's message has at most {MESSAGE_MAX} bytes and no control characters");
        return Err(Problem::invalid("header.message", "BAD_MESSAGE", text));
    }
    if header.base.is_empty() {
        return Ok((dataset, None));
    }
    let base = header.base.parse().map_err(|error: bib_domain::HashParseError| {
        Problem::invalid("header.base", "BAD_HASH", format!("the base version is none: {error}"))
    })?;
    Ok((dataset, Some(base)))
}

/// The version that files are kept from: one of the same dataset, so that whoever may write there may read it.
async fn find_base(
    shared: &Shared,
    op: &OpContext,
    name: &DatasetRef,
    id: VersionId,
) -> Result<Arc<SignedManifest>, Problem> {
    match dataset::find(shared, op, name, &id.to_string()).await {
        Ok((_, signed)) => Ok(signed),
        Err(problem) if problem.code() == Code::NotFound => {
            Err(base_gone(format!("this node has no version {id} of {name} to keep files from")))
        }
        Err(problem) => Err(problem),
    }
}

/// Feeds the writing thread until the end of the upload; gives what it made,
/// and the number of files that were kept from the base.
async fn take(
    shared: &Arc<Shared>,
    origin: Origin,
    base: Option<Arc<SignedManifest>>,
    mut parts: Streaming<UploadRequest>,
) -> Result<(Content, u64), Problem> {
    let limits = shared.options.transfers.clone();
    let (feed, commands) = mpsc::channel(limits.upload_queue);
    let (passing, limits) = (&*shared.passing, &limits);
    let (store, space) = (shared.deps.chunks.clone(), shared.deps.guardian.space());
    let writing = shared.writes.run(move || receive(store, &space, base, commands));
    tokio::pin!(writing);
    let fed = tokio::select! {
        biased;
        written = &mut writing => return Err(early(written)),
        fed = Feeder { feed, limits, origin, passing, file: None, entries: 0, kept: 0, bytes: 0 }.run(&mut parts) => fed,
    };
    let fed = match fed {
        // the writer may be in a file that was passed and cannot be read, for as long as that takes
        Err(problem) if problem.code() == Code::DeadlineExceeded => return Err(problem),
        fed => fed,
    };
    // What the writer has to say about its own failure is worth more than that it no longer listens.
    match (fed, writing.await) {
        (Err(problem), Ok(Err(written))) if problem.reason() == WRITER_GONE => Err(written),
        (Err(problem), _) => Err(problem),
        (Ok(kept), written) => Ok((written??, kept)),
    }
}

const WRITER_GONE: &str = "WRITER_GONE";

/// The writer ended before the upload did: it has failed.
fn early(written: Result<Result<Content, Problem>, bib_kit::BlockingError>) -> Problem {
    match written {
        Ok(Err(problem)) => problem,
        Ok(Ok(_)) => Problem::internal("an upload was written before its end"),
        Err(error) => error.into(),
    }
}

/// Checks the order of messages and passes them on.
struct Feeder<'a> {
    feed: mpsc::Sender<Command>,
    limits: &'a TransferOptions,
    origin: Origin,
    passing: &'a Passing,
    /// The file that data belongs to: bytes so far, and as many as it said.
    file: Option<(u64, u64)>,
    entries: u64,
    kept: u64,
    bytes: u64,
}

impl Feeder<'_> {
    /// Answers how many files were kept.
    async fn run(mut self, parts: &mut Streaming<UploadRequest>) -> Result<u64, Problem> {
        loop {
            match next(parts, self.limits).await? {
                Some(Part::Entry(entry)) => self.entry(entry).await?,
                Some(Part::Kept(file)) => self.keep(file).await?,
                Some(Part::Data(data)) => self.data(data).await?,
                Some(Part::Passed(file)) => self.passed(&file).await?,
                Some(Part::End(end)) => return self.end(&end).await,
                Some(Part::Header(_)) => return Err(order("an upload has one header")),
                None => return Err(order("the upload ended without its end message; nothing was published")),
            }
        }
    }

    fn count(&mut self) -> Result<(), Problem> {
        self.close_file()?;
        self.entries += 1;
        if self.entries <= self.limits.upload_entries {
            return Ok(());
        }
        let text =
            format!("an upload has at most {} entries; split it into several datasets", self.limits.upload_entries);
        Err(Problem::invalid("entry", "VERSION_TOO_LARGE", text))
    }

    async fn keep(&mut self, file: KeptFile) -> Result<(), Problem> {
        self.count()?;
        self.kept += 1;
        self.pass(Command::Keep { path: file.path, mode: file.mode & 0o777 }).await
    }

    async fn entry(&mut self, entry: Entry) -> Result<(), Problem> {
        self.count()?;
        let command = match entry.kind.as_str() {
            "file" => {
                self.file = Some((0, entry.size));
                Command::File(FileStart { content: content_of(&entry)?, path: entry.path, mode: entry.mode & 0o777 })
            }
            "directory" => Command::Directory { path: entry.path, mode: entry.mode & 0o777 },
            "symlink" => Command::Symlink { path: entry.path, target: entry.target },
            other => {
                let text = format!("{other:?} is not a kind of entry: use file, directory or symlink");
                return Err(Problem::invalid("entry.kind", "BAD_ENTRY", text));
            }
        };
        self.pass(command).await
    }

    async fn data(&mut self, data: Vec<u8>) -> Result<(), Problem> {
        let Some((sofar, _)) = &mut self.file else {
            return Err(order("data belongs to a file: send its entry first"));
        };
        if data.len() > self.limits.upload_message {
            let text = format!("a data message has at most {} bytes", self.limits.upload_message);
            return Err(Problem::invalid("data", "MESSAGE_TOO_LARGE", text));
        }
        *sofar += data.len() as u64;
        self.bytes += data.len() as u64;
        self.pass(Command::Data(data)).await
    }

    /// Waits until the writer has read the file.
    async fn passed(&mut self, file: &PassedFile) -> Result<(), Problem> {
        let Some((sofar @ 0, size @ 1..)) = &mut self.file else {
            return Err(order("a passed file comes after an entry with a size, and in place of data"));
        };
        let claimed = match self.origin {
            Origin::Local { uid } => self.passing.claim(&file.ticket, uid),
            _ => None,
        };
        let Some(passed) = claimed else {
            let text = "no file was passed to the node with this ticket";
            return Err(Problem::invalid("passed.ticket", "NO_SUCH_FILE", text).hint("send the file's bytes instead"));
        };
        let (mut read, size) = (passed.progress.subscribe(), *size);
        self.feed.send(Command::Passed(passed, size)).await.map_err(|_| writer_gone())?;
        loop {
            match tokio::time::timeout(self.limits.upload_idle, read.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(writer_gone()),
                Err(_) => return Err(stalled(self.limits)),
            }
            let now = *read.borrow_and_update();
            if now & READ != 0 {
                *sofar = now & !READ;
                self.bytes += *sofar;
                return Ok(());
            }
        }
    }

    async fn end(mut self, end: &UploadEnd) -> Result<u64, Problem> {
        self.close_file()?;
        if (end.entries, end.bytes) != (self.entries, self.bytes) {
            let text = format!(
                "the upload says that it has {} entries and {} bytes, and {} entries and {} bytes came; send it again",
                end.entries, end.bytes, self.entries, self.bytes
            );
            return Err(Problem::invalid("end", "UPLOAD_TRUNCATED", text));
        }
        self.pass(Command::End).await?;
        Ok(self.kept)
    }

    /// A file that said its size has that many bytes: it was not changed while it was read.
    fn close_file(&mut self) -> Result<(), Problem> {
        match self.file.take() {
            Some((found, said)) if said != 0 && found != said => {
                let text = format!("a file of {said} bytes came with {found} bytes: it was changed while it was read");
                Err(Problem::invalid("data", "FILE_CHANGED", text).hint("upload again when nobody writes to the file"))
            }
            _ => Ok(()),
        }
    }

    async fn pass(&self, command: Command) -> Result<(), Problem> {
        self.feed.send(command).await.map_err(|_| writer_gone())
    }
}

fn writer_gone() -> Problem {
    Problem::new(Code::Internal, WRITER_GONE, "the upload could not be written")
}

fn stalled(limits: &TransferOptions) -> Problem {
    let text = format!("nothing came for {} s; nothing was published", limits.upload_idle.as_secs());
    Problem::new(Code::DeadlineExceeded, "UPLOAD_STALLED", text).hint("upload again")
}

fn content_of(entry: &Entry) -> Result<Option<ContentHash>, Problem> {
    if entry.content_hash.is_empty() {
        return Ok(None);
    }
    let hash = entry.content_hash.parse().map_err(|error: bib_domain::HashParseError| {
        Problem::invalid("entry.content_hash", "BAD_HASH", error.to_string())
    })?;
    Ok(Some(hash))
}

fn order(what: &str) -> Problem {
    Problem::invalid("part", "UPLOAD_ORDER", what).hint("use a client of the node's version: bib version")
}

/// The next message; `None` at the end of the stream. An empty message is none of ours.
async fn next(parts: &mut Streaming<UploadRequest>, limits: &TransferOptions) -> Result<Option<Part>, Problem> {
    match tokio::time::timeout(limits.upload_idle, parts.message()).await {
        Ok(Ok(Some(UploadRequest { part: Some(part) }))) => Ok(Some(part)),
        Ok(Ok(Some(UploadRequest { part: None }))) => Err(order("a message of an upload is empty")),
        Ok(Ok(None)) => Ok(None),
        Ok(Err(status)) => Err(broken(&status)),
        Err(_) => Err(stalled(limits)),
    }
}

fn broken(status: &Status) -> Problem {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted | Code::InvalidArgument | Code::Internal
            if !status.message().is_empty() =>
        {
            Problem::invalid(
                "part",
                "UPLOAD_BROKEN",
                format!("a message of the upload cannot be read: {}", status.message()),
            )
        }
        _ => Problem::new(
            Code::Cancelled,
            "CLIENT_GONE",
            "the client went away before the end of the upload; nothing was published",
        ),
    }
}
