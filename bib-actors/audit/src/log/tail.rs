//! Reads the last segment when the log is opened: follows its chain, and tells a torn tail from damage.
//!
//! Only the last block can be torn by a crash, and nobody has an answer for it: a block is written after the one before
//! it is durable. So bytes that are not a block are cut off if no block comes after them and the mark does not say that
//! they were durable; otherwise the log is damaged and is not touched. Zeros at the very end are room that was reserved and
//! not used: no block ends with one.

use super::block::{Shape, candidates};
use super::{Block, Chain, Seen, SegmentHeader, Unsettled};
use crate::error::AuditError;
use crate::format::{Hash, RecordView};
use crate::read::{ForwardReader, Next};
use bib_domain::NodeId;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much of the end of a segment is looked at at once.
const ZEROS_WINDOW: usize = 64 << 10;

/// What the last segment holds.
pub(crate) struct Tail {
    pub(crate) header_len: u64,
    /// Where the sound blocks end.
    pub(crate) len: u64,
    /// Bytes after them, without the zeros at the end.
    pub(crate) torn: u64,
    /// The length of the file.
    pub(crate) file_len: u64,
    pub(crate) chain: Chain,
    /// The hash that the segment's first record follows.
    pub(crate) first_prev: Hash,
    /// Where the last sound block begins.
    pub(crate) last_block: Option<u64>,
    /// The leaf hash at the position that was asked for.
    pub(crate) hash_at: Option<Hash>,
}

/// Reads the segment at `path`, which must have the name that its header asks for. What comes after the position `want` is
/// noted in `unsettled`.
pub(crate) fn read_tail(
    path: &Path,
    node_id: &NodeId,
    want: Option<u64>,
    unsettled: &mut Unsettled,
) -> Result<Tail, AuditError> {
    let file_len = std::fs::metadata(path).map_err(|error| AuditError::io("looking at", path, &error))?.len();
    let open = |end| ForwardReader::open(path, end).map_err(|error| AuditError::io("opening", path, &error));
    let (header, header_len) = read_header(&mut open(file_len)?, path, node_id)?;
    // a header may end with a zero, a block does not
    let end = used(path, file_len)?.max(header_len);
    let mut reader = open(end)?;
    reader.seek(header_len);
    let mut chain = Chain {
        epoch: header.epoch,
        node_id: header.node_id,
        seq: header.first_seq - 1,
        hash: header.prev_hash,
        unix_ns: 0,
    };
    let first_prev = chain.hash;
    let mut hash_at = (want == Some(chain.seq)).then_some(chain.hash);
    let (mut len, mut last_block) = (header_len, None);
    let problem = loop {
        let offset = reader.offset();
        match reader.next().map_err(|error| AuditError::io("reading", path, &error))? {
            Next::End => break None,
            Next::Bad(problem) => break Some(problem.to_owned()),
            Next::Block(block, whole) => {
                let mut next = chain.clone();
                let followed = next.follow(&block, |view, hash| {
                    if want == Some(view.seq) {
                        hash_at = Some(hash);
                    }
                });
                if let Err(broken) = followed {
                    break Some(broken.problem);
                }
                note_open(&block, want.unwrap_or(0), unsettled);
                (chain, last_block) = (next, Some(offset));
                len = offset + whole as u64;
            }
        }
    };
    if let Some(problem) = problem
        && let Some(at) = later_block(path, len, end)?
    {
        let problem = format!("{problem} (byte {len}), and records follow at byte {at}");
        return Err(AuditError::Damaged { seq: chain.seq + 1, file: path.to_owned(), problem });
    }
    Ok(Tail { header_len, len, torn: end - len, file_len, chain, first_prev, last_block, hash_at })
}

/// Notes what a sound block has after a position.
pub(super) fn note_open(block: &Block<'_>, after: u64, unsettled: &mut Unsettled) {
    if block.first_seq.saturating_add(u64::from(block.count)) <= after.saturating_add(1) {
        return;
    }
    for view in block.records().flatten().filter_map(|bytes| RecordView::parse(bytes).ok()) {
        let RecordView { seq, op_id, action, object, outcome, .. } = view;
        if seq > after {
            unsettled.see(Seen { seq, op_id, action, object, outcome });
        }
    }
}

/// How long a segment of `len` bytes is without the zeros at its end.
pub(crate) fn used(path: &Path, len: u64) -> Result<u64, AuditError> {
    let read = || {
        let file = File::open(path)?;
        let mut window = vec![0; ZEROS_WINDOW];
        let mut end = len;
        while end > 0 {
            let from = end.saturating_sub(ZEROS_WINDOW as u64);
            let part = &mut window[..usize::try_from(end - from).unwrap_or(ZEROS_WINDOW)];
            file.read_exact_at(part, from)?;
            if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
                return Ok(from + last as u64 + 1);
            }
            end = from;
        }
        Ok(0)
    };
    read().map_err(|error| AuditError::io("reading", path, &error))
}

/// Reads and checks a segment's header.
pub(crate) fn read_header(
    reader: &mut ForwardReader,
    path: &Path,
    node_id: &NodeId,
) -> Result<(SegmentHeader, u64), AuditError> {
    let read = reader.header().map_err(|error| AuditError::io("reading", path, &error))?;
    let damaged = |problem: &str| {
        let named = path.file_name().and_then(|name| super::header::parse_name(name.to_str()?));
        AuditError::Damaged { seq: named.map_or(0, |(_, seq)| seq), file: path.to_owned(), problem: problem.to_owned() }
    };
    let (header, len) = read.map_err(damaged)?;
    if header.node_id != *node_id {
        return Err(AuditError::WrongNode { file: path.to_owned(), found: header.node_id, expected: node_id.clone() });
    }
    if path.parent().map(|dir| header.path(dir)).as_deref() != Some(path) || header.first_seq == 0 {
        return Err(damaged("the file's name is not the one that its header asks for"));
    }
    Ok((header, len))
}

/// Where a block lies after the bad bytes at `from`, if there is one.
fn later_block(path: &Path, from: u64, to: u64) -> Result<Option<u64>, AuditError> {
    let mut rest = vec![0; usize::try_from(to - from).unwrap_or(usize::MAX)];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut rest, from));
    read.map_err(|error| AuditError::io("reading", path, &error))?;
    let whole = |at: &usize| matches!(Block::shape(&rest[*at..]), Shape::Whole(..));
    Ok(candidates(&rest).find(whole).map(|at| from + at as u64))
}
