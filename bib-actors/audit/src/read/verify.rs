//! Verifies the log from its first record to its last.
//!
//! Streams each segment once and follows the chain through all of them. Appends go on meanwhile: what is verified is
//! the prefix that was durable at the beginning, up to the head that the writer knows.

use super::{ForwardReader, Next};
use crate::error::AuditError;
use crate::format::ZERO_HASH;
use crate::log::{Chain, Head, Mark, Segment, Snapshot};
use bib_kit::CancellationToken;
use std::path::Path;
use std::time::Duration;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditVerdict {
    /// Whether every record is there, in its place and unchanged.
    pub ok: bool,
    /// How many records were found good.
    pub records: u64,
    /// The end of the log, as the writer knows it.
    pub head: Head,
    /// What is wrong.
    pub problem: Option<String>,
    /// Position of the first record that is wrong or missing.
    pub first_bad_seq: Option<u64>,
    /// How long it took.
    pub elapsed: Duration,
    /// Other nodes that vouch for the log. Without any, a log that its owner rewrote as a whole looks good.
    pub witnesses: u32,
}

/// Why the verification ended early.
enum Stop {
    Bad(u64, String),
    Error(AuditError),
}

impl From<AuditError> for Stop {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Damaged { seq, problem, file } => Self::Bad(seq, format!("{problem} ({})", file.display())),
            other => Self::Error(other),
        }
    }
}

/// Verifies what `log` names. A file that cannot be read counts as a missing one.
pub(crate) fn verify(log: &Snapshot, dir: &Path, ended: &CancellationToken) -> Result<AuditVerdict, AuditError> {
    let begun = bib_kit::clock::monotonic();
    let mut chain = Chain { epoch: log.head.epoch, node_id: log.node_id.clone(), seq: 0, hash: ZERO_HASH, unix_ns: 0 };
    let (problem, first_bad_seq) = match follow(log, dir, &mut chain, ended) {
        Ok(()) => (None, None),
        Err(Stop::Bad(seq, problem)) => (Some(problem), Some(seq)),
        Err(Stop::Error(error @ AuditError::Reader { .. })) => return Err(error),
        Err(Stop::Error(error)) => (Some(error.to_string()), Some(chain.seq + 1)),
    };
    Ok(AuditVerdict {
        ok: problem.is_none(),
        records: chain.seq,
        head: log.head,
        problem,
        first_bad_seq,
        elapsed: bib_kit::clock::since(begun),
        witnesses: 0,
    })
}

fn follow(log: &Snapshot, dir: &Path, chain: &mut Chain, ended: &CancellationToken) -> Result<(), Stop> {
    // A mark newer than the snapshot speaks of records that this verification does not look at.
    let mark = Mark::load(dir)?.filter(|mark| mark.seq <= log.head.seq);
    let mut marked = None;
    for segment in log.segments() {
        follow_segment(log, segment, chain, ended, |seq, hash| {
            if mark.as_ref().is_some_and(|mark| mark.seq == seq) {
                marked = Some(hash);
            }
        })?;
    }
    if (chain.seq, chain.hash) != (log.head.seq, log.head.hash) {
        let problem = format!("the log ends with record {}, where the writer knows {}", chain.seq, log.head.seq);
        return Err(Stop::Bad(chain.seq.min(log.head.seq) + 1, problem));
    }
    match mark {
        Some(mark) if mark.epoch != log.head.epoch => {
            Err(Stop::Bad(mark.seq, "the mark belongs to another epoch".to_owned()))
        }
        Some(mark) if mark.seq > 0 && marked != Some(mark.hash) => {
            Err(Stop::Bad(mark.seq, "the record has another hash than the mark says".to_owned()))
        }
        _ => Ok(()),
    }
}

fn follow_segment(
    log: &Snapshot,
    segment: &Segment,
    chain: &mut Chain,
    ended: &CancellationToken,
    mut each: impl FnMut(u64, [u8; 32]),
) -> Result<(), Stop> {
    let io = |error: std::io::Error| Stop::Error(AuditError::io("reading", &segment.path, &error));
    let mut reader = ForwardReader::open(&segment.path, segment.len).map_err(io)?;
    let longer = std::fs::metadata(&segment.path).map_err(io)?.len() > segment.len;
    let (header, _) = crate::log::read_header(&mut reader, &segment.path, &log.node_id)?;
    let next = chain.seq + 1;
    if header.epoch != chain.epoch || header.first_seq != next || header.prev_hash != chain.hash {
        let problem = format!("segment {} does not follow record {}", segment.path.display(), chain.seq);
        return Err(Stop::Bad(next, problem));
    }
    loop {
        if ended.is_cancelled() {
            let reason = "the audit chain is being stopped".to_owned();
            return Err(Stop::Error(AuditError::Reader { reason }));
        }
        let offset = reader.offset();
        match reader.next().map_err(io)? {
            Next::End if longer && segment.path != log.active().path => {
                let problem = format!("segment {} goes on after its last block", segment.path.display());
                return Err(Stop::Bad(chain.seq + 1, problem));
            }
            Next::End => return Ok(()),
            Next::Bad(problem) => {
                let problem = format!("{problem} ({}, byte {offset})", segment.path.display());
                return Err(Stop::Bad(chain.seq + 1, problem));
            }
            Next::Block(block, _) => chain
                .follow(&block, |view, hash| each(view.seq, hash))
                .map_err(|broken| Stop::Bad(broken.seq, format!("{} ({})", broken.problem, segment.path.display())))?,
        }
    }
}
