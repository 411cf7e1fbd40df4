//! Opens the log: finds its segments, checks the tail against the mark, cuts a torn tail off, makes the rest durable.

use super::append::{Active, create_segment};
use super::header::parse_name;
use super::tail::{Tail, note_open, read_tail, used};
use super::{
    Chain, DirLock, Head, Log, Mark, Segment, SegmentHeader, Shared, Snapshot, TAIL_BYTES, Unsettled, block_len_at_end,
};
use crate::error::AuditError;
use crate::format::{Hash, ZERO_HASH};
use crate::options::AuditOptions;
use crate::read::{ForwardReader, Next};
use crate::storage::AuditFs;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The epoch of a log that begins here.
const FIRST_EPOCH: u64 = 1;

/// A torn tail that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) file: PathBuf,
    pub(crate) bytes: u64,
    /// The last record that stayed.
    pub(crate) after_seq: u64,
}

/// The log, open.
pub(crate) struct Opened {
    pub(crate) log: Log,
    pub(crate) shared: Arc<Shared>,
    pub(crate) cut: Option<Cut>,
}

/// Opens the log in the directory that `lock` is on, or begins it.
pub(crate) fn open(
    options: &AuditOptions,
    fs: Arc<dyn AuditFs>,
    lock: DirLock,
    now_unix_ns: u64,
) -> Result<Opened, AuditError> {
    let dir = &options.dir;
    let found = find_segments(&*fs, dir)?;
    let mark = Mark::load(dir)?;
    let epoch = found.last().map_or(FIRST_EPOCH, |last| last.0);
    let mut segments = Vec::new();
    for (_, first_seq, path) in found.into_iter().filter(|segment| segment.0 == epoch) {
        let len = std::fs::metadata(&path).map_err(|error| AuditError::io("looking at", &path, &error))?.len();
        segments.push(Segment { path, first_seq, len });
    }
    let marked = mark.as_ref().map_or(0, |mark| mark.seq);
    let mut unsettled = Unsettled::new(options.unsettled_max);
    let (active, chain, cut) = match segments.pop() {
        Some(last) => {
            if let Some(mark) = &mark {
                unsettled.restore(&mark.open);
                note_before(&segments, last.first_seq, mark.seq, &mut unsettled);
            }
            let tail = read_tail(&last.path, &options.node_id, mark.as_ref().map(|mark| mark.seq), &mut unsettled)?;
            check_mark(mark.as_ref(), &tail, &last)?;
            if let Some(before) = segments.last_mut() {
                let len = before.len;
                before.len = used(&before.path, len)?;
                check_join(before, &last, &tail)?;
                give_back(&*fs, before, len)?;
            }
            mend(&*fs, dir, last, tail)?
        }
        None => begin(options, &*fs, mark.as_ref(), now_unix_ns)?,
    };
    let head = Head { epoch, seq: chain.seq, hash: chain.hash, records: chain.seq };
    let last = Segment { path: active.path.clone(), first_seq: active_first(&active.path), len: active.len };
    let shared = Arc::new(Shared::new(Snapshot::new(options.node_id.clone(), head, segments, last), unsettled));
    let base = (dir.clone(), fs, options.segment_max_bytes, options.reserve_bytes);
    let mut log = Log::new(base, active, chain, Arc::clone(&shared), lock);
    log.marked(marked);
    Ok(Opened { log, shared, cut })
}

/// The segment files, oldest first; files that a crash left half made are removed.
fn find_segments(fs: &dyn AuditFs, dir: &Path) -> Result<Vec<(u64, u64, PathBuf)>, AuditError> {
    let io = |error: &std::io::Error| AuditError::io("listing", dir, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| io(&error))? {
        let path = entry.map_err(|error| io(&error))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some((epoch, first_seq)) = parse_name(name) {
            found.push((epoch, first_seq, path));
        } else if name.ends_with(".tmp") {
            fs.remove(&path).map_err(|error| AuditError::io("removing", &path, &error))?;
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Notes what segments before the last one have after the mark: those that were closed in the last second before a crash.
/// What is wrong in them is a full verification's to find.
fn note_before(segments: &[Segment], last_first: u64, marked: u64, unsettled: &mut Unsettled) {
    let ends = segments.iter().skip(1).map(|next| next.first_seq).chain([last_first]);
    for (segment, end) in segments.iter().zip(ends).filter(|(_, end)| *end > marked.saturating_add(1)) {
        let Ok(mut reader) = ForwardReader::open(&segment.path, segment.len) else { continue };
        let Ok(Ok(_)) = reader.header() else { continue };
        while let Ok(Next::Block(block, _)) = reader.next() {
            if block.first_seq < end {
                note_open(&block, marked, unsettled);
            }
        }
    }
}

fn active_first(path: &Path) -> u64 {
    path.file_name().and_then(|name| parse_name(name.to_str()?)).map_or(1, |(_, first)| first)
}

/// Refuses a log that ends before the mark, or that is another one than the mark was made for.
fn check_mark(mark: Option<&Mark>, tail: &Tail, last: &Segment) -> Result<(), AuditError> {
    let Some(mark) = mark else { return Ok(()) };
    let damaged = |seq, problem| Err(AuditError::Damaged { seq, file: last.path.clone(), problem });
    if mark.epoch != tail.chain.epoch {
        let problem = format!("the mark is for epoch {}, the newest segment for {}", mark.epoch, tail.chain.epoch);
        return damaged(last.first_seq, problem);
    }
    if mark.seq > tail.chain.seq {
        let seq = tail.chain.seq;
        let problem = format!("the sound records end with {seq}, but the mark says that {} was durable", mark.seq);
        return damaged(seq + 1, problem);
    }
    match tail.hash_at {
        Some(hash) if hash != mark.hash => {
            damaged(mark.seq, format!("record {} has another hash than the mark says", mark.seq))
        }
        _ => Ok(()),
    }
}

/// Refuses a last segment that does not follow the one before it.
fn check_join(before: &Segment, last: &Segment, tail: &Tail) -> Result<(), AuditError> {
    let hash = last_hash(before)?;
    let header_prev = tail.first_prev;
    if hash == Some(header_prev) {
        return Ok(());
    }
    let problem = "the segment does not follow the one before it: one of them was changed or is missing".to_owned();
    Err(AuditError::Damaged { seq: last.first_seq, file: last.path.clone(), problem })
}

/// Cuts zeros off that a crash left between the making of the last segment and the closing of the one before it.
fn give_back(fs: &dyn AuditFs, before: &Segment, file_len: u64) -> Result<(), AuditError> {
    if file_len == before.len {
        return Ok(());
    }
    let cut = fs.open(&before.path).and_then(|mut file| file.set_len(before.len));
    cut.map_err(|error| AuditError::not_writable("giving back the room reserved in", &before.path, &error))
}

/// The leaf hash with which a segment ends, as its last block says.
fn last_hash(segment: &Segment) -> Result<Option<Hash>, AuditError> {
    let mut end = [0; TAIL_BYTES];
    let Some(at) = segment.len.checked_sub(TAIL_BYTES as u64) else { return Ok(None) };
    let read = File::open(&segment.path).and_then(|file| file.read_exact_at(&mut end, at));
    read.map_err(|error| AuditError::io("reading", &segment.path, &error))?;
    Ok(block_len_at_end(&end).and_then(|_| end.first_chunk().copied()))
}

/// Cuts a torn tail off and writes the last block again in place: if the crash came between a failed sync and now, its
/// pages may be in memory only, and no later sync would write them.
fn mend(fs: &dyn AuditFs, dir: &Path, last: Segment, tail: Tail) -> Result<(Active, Chain, Option<Cut>), AuditError> {
    let path = last.path;
    let again = |from: u64| {
        let mut bytes = vec![0; usize::try_from(tail.len - from).unwrap_or(usize::MAX)];
        File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, from)).map(|()| bytes)
    };
    let repair = || {
        let mut file = fs.open(&path)?;
        if tail.file_len > tail.len {
            file.set_len(tail.len)?;
        }
        if let Some(from) = tail.last_block {
            file.write_at(from, &again(from)?)?;
        }
        if tail.torn > 0 || tail.last_block.is_some() {
            file.sync()?;
        }
        fs.sync_dir(dir)?;
        Ok(file)
    };
    let file = repair().map_err(|error| AuditError::not_writable("opening for writing", &path, &error))?;
    let cut = (tail.torn > 0).then(|| Cut { file: path.clone(), bytes: tail.torn, after_seq: tail.chain.seq });
    Ok((Active { file, path, header_len: tail.header_len, len: tail.len }, tail.chain, cut))
}

/// Begins a log, unless there was one.
fn begin(
    options: &AuditOptions,
    fs: &dyn AuditFs,
    mark: Option<&Mark>,
    now_unix_ns: u64,
) -> Result<(Active, Chain, Option<Cut>), AuditError> {
    let dir = &options.dir;
    if let Some(mark) = mark.filter(|mark| mark.seq > 0) {
        let problem = format!("there is no segment file, but the mark says that {} records were durable", mark.seq);
        return Err(AuditError::Damaged { seq: 1, file: dir.clone(), problem });
    }
    let header = SegmentHeader {
        epoch: FIRST_EPOCH,
        first_seq: 1,
        prev_hash: ZERO_HASH,
        node_id: options.node_id.clone(),
        created_unix_ns: now_unix_ns,
    };
    let active = create_segment(fs, dir, &header)?;
    if let Some(parent) = dir.parent() {
        fs.sync_dir(parent).map_err(|error| AuditError::not_writable("syncing", parent, &error))?;
    }
    let chain = Chain { epoch: FIRST_EPOCH, node_id: header.node_id, seq: 0, hash: ZERO_HASH, unix_ns: 0 };
    Ok((active, chain, None))
}
