//! Download: the files of a version, each byte checked before it is sent.
//!
//! Reading is done in pieces on blocking threads, so that a client that takes its time holds none of them.

use super::convert;
use super::dataset::find;
use super::elsewhere::{self, Bringer};
use super::stream::{Out, Sink, fill};
use crate::access::Caller;
use crate::journal::Record;
use crate::mapping::{busy, incomplete};
use crate::problem::Problem;
use crate::shared::Shared;
use bib_chunks::{ChunkError, ChunkRef, ChunkStore, FileReader, Manifest, SignedManifest};
use bib_domain::DatasetRef;
use bib_guardian::VersionRow;
use bib_proto::v1::download_response::Part;
use bib_proto::v1::{DownloadRequest, DownloadResponse};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Starts a download.
pub(super) async fn download(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: DownloadRequest,
) -> Result<Out<DownloadResponse>, Problem> {
    let limit = shared.options.transfers.downloads;
    let place = shared.downloads.clone().try_acquire_owned().map_err(|_| busy("downloads", limit))?;
    let op = caller.op();
    let dataset: DatasetRef = asked.dataset.parse()?;
    let mut record = shared.journal.reads(&op, "dataset.download", &asked.dataset).await;
    let started = async {
        let (version, signed) = find(shared, &op, &dataset, &asked.version).await?;
        if !version.complete && !elsewhere::is_proxy(shared) {
            return Err(incomplete(&asked.dataset));
        }
        let chosen = choose(&signed, &asked.paths)?;
        Ok((version, signed, chosen))
    };
    let (version, signed, chosen) = match started.await {
        Ok(found) => found,
        Err(problem) => {
            record.ended(&problem).await;
            return Err(problem);
        }
    };
    record.note("version", version.id.to_string());
    let bringer = Bringer::of(shared, &version);
    let job = Job { shared: Arc::clone(shared), signed, chosen, bringer, _place: place };
    fill(shared, caller, "download", |sink| job.run(version, sink, record))
}

/// The bytes of a small file; none of a folder or a link. Blocking.
fn whole(store: &ChunkStore, manifest: &Manifest, at: usize) -> Result<Bytes, ChunkError> {
    let entry = &manifest.entries[at];
    if !entry.is_file() {
        return Ok(Bytes::new());
    }
    let mut reader = FileReader::new(store, &manifest.chunks, entry)?;
    // a copy: what is read may be a part of a large chunk, and would keep all of it
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next_bytes()? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// The entries whose path is one of `paths` or lies below it; all of them without paths.
fn choose(signed: &SignedManifest, paths: &[String]) -> Result<Vec<usize>, Problem> {
    let entries = &signed.manifest().entries;
    if paths.is_empty() {
        return Ok((0..entries.len()).collect());
    }
    let below = |path: &str, wanted: &str| {
        path.strip_prefix(wanted.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for wanted in paths {
        if !entries.iter().any(|entry| below(&entry.path, wanted)) {
            return Err(Problem::not_found("FILE_NOT_FOUND", format!("there is no {wanted:?} in this version"))
                .hint(format!("see its files: bib dataset get {}", signed.manifest().dataset))
                .with("path", wanted.clone()));
        }
    }
    let chosen = entries.iter().enumerate().filter(|(_, entry)| paths.iter().any(|wanted| below(&entry.path, wanted)));
    Ok(chosen.map(|(at, _)| at).collect())
}

struct Job {
    shared: Arc<Shared>,
    signed: Arc<SignedManifest>,
    chosen: Vec<usize>,
    /// Where the version is not kept here.
    bringer: Option<Bringer>,
    _place: OwnedSemaphorePermit,
}

impl Job {
    async fn run(self, version: VersionRow, sink: Sink<DownloadResponse>, mut record: Record) -> Result<(), Problem> {
        match self.send(version, &sink).await {
            Ok(bytes) => {
                record.note("bytes", bytes.to_string());
                record.done(None).await;
                Ok(())
            }
            Err(problem) => {
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }

    async fn send(&self, version: VersionRow, sink: &Sink<DownloadResponse>) -> Result<u64, Problem> {
        let mut bytes = 0;
        sink.send(DownloadResponse { part: Some(Part::Version(convert::version(version, self.bringer.is_some()))) })
            .await?;
        let mut rest = self.chosen.as_slice();
        while let [first, later @ ..] = rest {
            let (small, after) = rest.split_at(self.small(rest));
            if small.is_empty() {
                self.send_entry(*first, sink).await?;
                bytes += self.send_file(*first, sink).await?;
                rest = later;
            } else {
                bytes += self.send_small(small, sink).await?;
                rest = after;
            }
        }
        Ok(bytes)
    }

    async fn send_entry(&self, at: usize, sink: &Sink<DownloadResponse>) -> Result<(), Problem> {
        let entry = convert::entry(&self.signed.manifest().entries[at]);
        sink.send(DownloadResponse { part: Some(Part::Entry(entry)) }).await
    }

    /// How many entries from the first on are read in one go. Each read waits for a thread, which takes longer than
    /// reading a small file.
    fn small(&self, entries: &[usize]) -> usize {
        let limits = &self.shared.options.transfers;
        let mut left = limits.download_read as u64;
        let fits = |at: &&usize| {
            let size = self.signed.manifest().entries[**at].size();
            left.checked_sub(size).map(|now| left = now).is_some()
        };
        entries.iter().take(limits.download_files).take_while(fits).count()
    }

    async fn send_small(&self, entries: &[usize], sink: &Sink<DownloadResponse>) -> Result<u64, Problem> {
        let (signed, wanted) = (Arc::clone(&self.signed), entries.to_vec());
        let read = move |store: &ChunkStore| {
            wanted.iter().map(|&at| whole(store, signed.manifest(), at)).collect::<Result<Vec<_>, _>>()
        };
        let files = elsewhere::read(&self.shared, self.bringer.as_ref(), &self.needs(entries), read).await?;
        let mut bytes = 0;
        for (&at, file) in entries.iter().zip(files) {
            bytes += file.len() as u64;
            self.send_entry(at, sink).await?;
            self.send_piece(file, sink).await?;
        }
        Ok(bytes)
    }

    /// Reads one piece ahead of what is being sent.
    async fn send_file(&self, at: usize, sink: &Sink<DownloadResponse>) -> Result<u64, Problem> {
        let manifest = self.signed.manifest();
        let reader = FileReader::new(&self.shared.deps.chunks, &manifest.chunks, &manifest.entries[at])?;
        let mut bytes = 0;
        let mut ahead = self.read(reader).await?;
        while let Some((reader, pieces)) = ahead {
            let sending = async {
                for piece in pieces {
                    bytes += piece.len() as u64;
                    self.send_piece(piece, sink).await?;
                }
                Ok::<(), Problem>(())
            };
            let (sent, read) = tokio::join!(sending, self.read(reader));
            sent?;
            ahead = read?;
        }
        Ok(bytes)
    }

    async fn send_piece(&self, mut piece: Bytes, sink: &Sink<DownloadResponse>) -> Result<(), Problem> {
        let message = self.shared.options.transfers.download_message;
        while !piece.is_empty() {
            let data = piece.split_to(message.min(piece.len())).to_vec();
            sink.send(DownloadResponse { part: Some(Part::Data(data)) }).await?;
        }
        Ok(())
    }

    /// The chunks of small files that are read together; none where all are here.
    fn needs(&self, entries: &[usize]) -> Vec<ChunkRef> {
        let manifest = self.signed.manifest();
        let pieces = entries.iter().flat_map(|&at| manifest.entries[at].segments());
        let mut chunks: Vec<u32> = pieces.filter(|_| self.bringer.is_some()).map(|piece| piece.chunk).collect();
        chunks.sort_unstable();
        chunks.dedup();
        chunks.into_iter().map(|chunk| manifest.chunks[chunk as usize]).collect()
    }

    /// The next pieces of the file, some `download_read` bytes of them; `None` at its end.
    async fn read(&self, reader: FileReader) -> Result<Option<(FileReader, Vec<Bytes>)>, Problem> {
        let want = self.shared.options.transfers.download_read;
        let needs = if self.bringer.is_some() { ahead(&reader, want as u64) } else { Vec::new() };
        let place = Mutex::new(Some(reader));
        let read = move |_: &ChunkStore| {
            let mut place = place.lock();
            let Some(reader) = place.as_mut() else { return Ok(None) };
            let (mut pieces, mut have) = (Vec::new(), 0);
            while have < want {
                match reader.next_bytes() {
                    Ok(Some(piece)) => {
                        have += piece.len();
                        pieces.push(piece);
                    }
                    Ok(None) => break,
                    // a chunk that is hurt or gone was noted by the store: the replicator fetches it again
                    Err(error) if pieces.is_empty() => return Err(error),
                    Err(_) => break,
                }
            }
            Ok(place.take().filter(|_| !pieces.is_empty()).map(|reader| (reader, pieces)))
        };
        elsewhere::read(&self.shared, self.bringer.as_ref(), &needs, read).await
    }
}

/// The chunks of the next `want` bytes of a file, or a few more.
fn ahead(reader: &FileReader, want: u64) -> Vec<ChunkRef> {
    let from = reader.position();
    let next = reader.pieces().iter().skip_while(|piece| piece.at + u64::from(piece.len) <= from);
    let wanted = next.take_while(|piece| piece.at < from + want);
    let mut chunks: Vec<ChunkRef> = wanted.map(|piece| ChunkRef { hash: piece.chunk, len: piece.chunk_len }).collect();
    chunks.dedup();
    chunks
}
