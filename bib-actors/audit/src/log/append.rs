//! The log open for appending: one block, one sync, and the state that readers see follows.
//!
//! After a failed write or sync nothing more is written through it. What a failed sync left behind is unknown, so the
//! log is opened anew, which reads the tail back and writes its last block again.
//!
//! A full disk is found before anything is written: room is reserved ahead of the end of the active segment, and a block
//! that does not fit what is reserved is refused as a whole.

use super::block::BlockBuilder;
use super::header::SegmentHeader;
use super::{Chain, DirLock, Mark, Segment, Shared, passed};
use crate::error::AuditError;
use crate::format::Hash;
use crate::record::AuditRecord;
use crate::storage::{AuditFile, AuditFs};
use bib_kit::clock;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the time that has passed is written down: what a crash gives tickets at most.
const PASSED_EVERY: Duration = Duration::from_secs(60);

/// The log, open for appending.
pub(crate) struct Log {
    dir: PathBuf,
    fs: Arc<dyn AuditFs>,
    segment_max_bytes: u64,
    reserve_bytes: u64,
    file: Box<dyn AuditFile>,
    path: PathBuf,
    /// Where the first block of the active segment begins.
    header_len: u64,
    len: u64,
    /// Up to where the active segment has room for certain; `None` where the file system promises none.
    reserved: Option<u64>,
    /// A reservation that failed may have made the segment longer all the same.
    frayed: bool,
    chain: Chain,
    marked_seq: u64,
    /// When the time that has passed was written down last.
    passed_kept: Option<Instant>,
    shared: Arc<Shared>,
    broken: Option<String>,
    _lock: DirLock,
}

/// The active segment, as found or made.
pub(crate) struct Active {
    pub(crate) file: Box<dyn AuditFile>,
    pub(crate) path: PathBuf,
    pub(crate) header_len: u64,
    pub(crate) len: u64,
}

/// Makes a segment file that has its header and nothing else. It gets its name only when the header is durable, so a
/// segment without a sound header is damage, never a crash.
pub(crate) fn create_segment(fs: &dyn AuditFs, dir: &Path, header: &SegmentHeader) -> Result<Active, AuditError> {
    let path = header.path(dir);
    let temp = path.with_extension("tmp");
    let bytes = header.encode();
    let make = || {
        let mut file = fs.create(&temp)?;
        file.write_at(0, &bytes)?;
        file.sync()?;
        fs.rename(&temp, &path)?;
        Ok(file)
    };
    let file = make().map_err(|error| AuditError::before_writing("making the segment", &path, &error))?;
    // it has its name: whoever went on in the one before would leave it behind as the newest, which the next start believes
    fs.sync_dir(dir).map_err(|error| AuditError::not_writable("making the segment", &path, &error))?;
    Ok(Active { file, path, header_len: bytes.len() as u64, len: bytes.len() as u64 })
}

impl Log {
    pub(crate) fn new(
        (dir, fs, segment_max_bytes, reserve_bytes): (PathBuf, Arc<dyn AuditFs>, u64, u64),
        active: Active,
        chain: Chain,
        shared: Arc<Shared>,
        lock: DirLock,
    ) -> Self {
        let Active { file, path, header_len, len } = active;
        let broken = None;
        Self {
            dir,
            fs,
            segment_max_bytes,
            reserve_bytes,
            file,
            path,
            header_len,
            len,
            reserved: (reserve_bytes > 0).then_some(len),
            frayed: false,
            chain,
            marked_seq: 0,
            passed_kept: None,
            shared,
            broken,
            _lock: lock,
        }
    }

    /// The end of the log.
    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Makes a block durable that continues the chain and ends with the record `last`. When this fails the block may or
    /// may not be in the log, and the log takes no more; after [`AuditError::NoRoom`] it is not, and the log takes more.
    pub(crate) fn commit(&mut self, block: BlockBuilder, last: (u64, Hash, u64)) -> Result<(), AuditError> {
        if let Some(reason) = &self.broken {
            return Err(AuditError::NotWritable { reason: reason.clone() });
        }
        let bytes = block.finish();
        self.make_room(bytes.len() as u64, last.2)?;
        let done = self.write(&bytes);
        match done {
            Ok(()) => {
                (self.chain.seq, self.chain.hash, self.chain.unix_ns) = last;
                let (seq, hash, len) = (self.chain.seq, self.chain.hash, self.len);
                self.shared.update(|snapshot| {
                    let head = super::Head { seq, hash, records: seq, ..snapshot.head };
                    snapshot.grow(head, len);
                });
                Ok(())
            }
            Err(error) => {
                self.broken = Some(error.reason());
                Err(error)
            }
        }
    }

    /// Takes note of what intents and outcomes became durable.
    pub(crate) fn note(&self, records: &[AuditRecord]) {
        self.shared.unsettled(|unsettled| records.iter().for_each(|record| unsettled.see(record.into())));
    }

    /// Sees to it that `more` bytes fit: begins a new segment when it is time, and reserves room ahead.
    fn make_room(&mut self, more: u64, now: u64) -> Result<(), AuditError> {
        if self.len > self.header_len && self.len + more > self.segment_max_bytes {
            match self.rotate(now) {
                Ok(()) => {}
                // a segment may be longer than usual when there is no room for the next
                Err(AuditError::NoRoom { .. }) if self.reserved.is_some_and(|end| self.len + more <= end) => {}
                Err(error @ AuditError::NoRoom { .. }) => return Err(error),
                Err(error) => {
                    self.broken = Some(error.reason());
                    return Err(error);
                }
            }
        }
        let Some(end) = self.reserved else { return Ok(()) };
        // room for the half of it is enough, so that not every block asks for more
        if self.len + more + self.reserve_bytes / 2 <= end {
            return Ok(());
        }
        match self.reserve(more + self.reserve_bytes) {
            Err(_) if self.len + more <= end => Ok(()),
            // after a start nothing is reserved: where there is no room ahead, this block may fit all the same
            Err(_) => self.reserve(more),
            reserved => reserved,
        }
    }

    fn reserve(&mut self, bytes: u64) -> Result<(), AuditError> {
        match self.file.reserve(self.len, bytes) {
            Ok(promised) => {
                self.reserved = promised.then_some(self.len + bytes);
                Ok(())
            }
            Err(error) => {
                self.frayed = true;
                Err(AuditError::before_writing("reserving room in", &self.path, &error))
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let more = bytes.len() as u64;
        let done = self.file.write_at(self.len, bytes).and_then(|()| self.file.sync());
        done.map_err(|error| AuditError::not_writable("writing records to", &self.path, &error))?;
        self.len += more;
        Ok(())
    }

    fn rotate(&mut self, now: u64) -> Result<(), AuditError> {
        let Chain { epoch, seq, hash, ref node_id, .. } = self.chain;
        let header = SegmentHeader {
            epoch,
            first_seq: seq + 1,
            prev_hash: hash,
            node_id: node_id.clone(),
            created_unix_ns: now,
        };
        let next = create_segment(&*self.fs, &self.dir, &header)?;
        // before anything is written to the next one: only in the two newest can there be zeros after the last block
        self.give_back()?;
        self.reserved = (self.reserve_bytes > 0).then_some(next.len);
        let segment = Segment { path: next.path.clone(), first_seq: seq + 1, len: next.len };
        self.shared.update(|snapshot| snapshot.rotate(segment));
        (self.file, self.path, self.header_len, self.len) = (next.file, next.path, next.header_len, next.len);
        Ok(())
    }

    /// Cuts off the room that is reserved in the active segment.
    fn give_back(&mut self) -> Result<(), AuditError> {
        if self.frayed || self.reserved.is_some_and(|end| end > self.len) {
            let cut = self.file.set_len(self.len);
            cut.map_err(|error| AuditError::not_writable("giving back the room reserved in", &self.path, &error))?;
            self.reserved = self.reserved.map(|_| self.len);
            self.frayed = false;
        }
        Ok(())
    }

    /// Leaves nothing behind but records. A failure is only logged: what stays is zeros, which the next start cuts off.
    pub(crate) fn close(&mut self) {
        if self.broken.is_none()
            && let Err(error) = self.give_back()
        {
            tracing::warn!(%error, "the audit log's last segment keeps its reserved room");
        }
    }

    /// Whether records were written since the last mark.
    pub(crate) fn unmarked(&self) -> bool {
        self.broken.is_none() && self.chain.seq > self.marked_seq
    }

    /// Renews the mark. A failure only means that the old mark stays, so it is logged and tried again with the next.
    pub(crate) fn mark(&mut self) {
        if !self.unmarked() {
            return;
        }
        let open = self.shared.unsettled(|unsettled| unsettled.open().collect::<Vec<_>>());
        match Mark::store(&*self.fs, &self.dir, &self.shared.head(), open.into_iter()) {
            Ok(()) => self.marked_seq = self.chain.seq,
            Err(error) => tracing::warn!(%error, "the audit log's mark was not renewed"),
        }
    }

    /// Writes down the time that has passed, if that is due or the log is about to be `closed`. A failure is only logged.
    pub(crate) fn keep_passed(&mut self, closed: bool) {
        let due = self.passed_kept.is_none_or(|kept| clock::since(kept) >= PASSED_EVERY);
        if self.broken.is_some() || !(due || closed) {
            return;
        }
        self.passed_kept = Some(clock::monotonic());
        if let Err(error) = passed::store(&*self.fs, &self.dir, clock::passed_ms()) {
            tracing::warn!(%error, "the time that has passed was not written down");
        }
    }

    /// Notes what the mark said when the log was opened.
    pub(crate) fn marked(&mut self, seq: u64) {
        self.marked_seq = seq;
    }
}
