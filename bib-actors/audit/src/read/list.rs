//! Pages of records, latest first.
//!
//! Reads backward from the end of the log or from a position, and no further than the page needs.

use super::{BackwardReader, ForwardReader, damaged};
use crate::error::AuditError;
use crate::format::RecordView;
use crate::log::{Broken, Chain, Segment, Snapshot};
use crate::options::AuditOptions;
use crate::record::AuditRecord;
use bib_kit::CancellationToken;

/// Which records a page has. The default is the newest ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListFilter {
    /// Only records before this position; the last position of a page leads to the next page.
    pub before_seq: Option<u64>,
    /// At most so many; 0 stands for the usual page.
    pub limit: usize,
    /// Only records whose action begins with this.
    pub action_prefix: Option<String>,
    /// Only records of this actor.
    pub actor: Option<String>,
}

/// A page when none is asked for in particular.
const USUAL_PAGE: usize = 100;

impl ListFilter {
    fn takes(&self, view: &RecordView<'_>) -> bool {
        self.before_seq.is_none_or(|before| view.seq < before)
            && self.action_prefix.as_deref().is_none_or(|prefix| view.action.starts_with(prefix))
            && self.actor.as_deref().is_none_or(|actor| view.actor == actor)
    }
}

/// The page that `filter` asks for, latest first.
pub(crate) fn list(
    log: &Snapshot,
    filter: &ListFilter,
    options: &AuditOptions,
    ended: &CancellationToken,
) -> Result<Vec<AuditRecord>, AuditError> {
    let limit = if filter.limit == 0 { USUAL_PAGE } else { filter.limit }.min(options.page_max.max(1));
    let before = filter.before_seq.unwrap_or(u64::MAX).min(log.head.seq + 1);
    let mut page = Vec::new();
    let mut scanned = 0;
    // The first position after the block that comes next, and the hash that it must end with, if that is known.
    let mut end = log.head.seq + 1;
    let mut last = Some(log.head.hash);
    for segment in log.segments().rev() {
        if segment.first_seq >= before {
            (end, last) = (segment.first_seq, None);
            continue;
        }
        let mut reader = open(segment, log)?;
        loop {
            if ended.is_cancelled() {
                return Err(AuditError::Reader { reason: "the audit chain is being stopped".to_owned() });
            }
            let bad = |seq: u64, problem: &str| damaged(segment, Broken { seq, problem: problem.to_owned() });
            let block = match reader.previous().map_err(|error| AuditError::io("reading", &segment.path, &error))? {
                None if end == segment.first_seq => break,
                None => return Err(bad(segment.first_seq, "the segment does not begin with its first record")),
                Some(Ok(block)) => block,
                Some(Err(problem)) => return Err(bad(end - 1, problem)),
            };
            if block.first_seq.checked_add(u64::from(block.count)) != Some(end) {
                return Err(bad(end - 1, "the block before does not end with the record before"));
            }
            end = block.first_seq;
            if block.first_seq >= before {
                last = None;
                continue;
            }
            if last.is_some_and(|last| last != *block.last) {
                return Err(bad(end, "a block does not end with the hash that the record after it names"));
            }
            scanned += u64::from(block.count);
            let mut found = Vec::new();
            let mut chain = Chain::before(&block, log.head.epoch, &log.node_id);
            last = Some(chain.hash);
            chain
                .follow(&block, |view, hash| {
                    if filter.takes(view) {
                        found.push(AuditRecord::from_view(view, hash));
                    }
                })
                .map_err(|broken| damaged(segment, broken))?;
            for record in found.into_iter().rev() {
                page.push(record.map_err(|error| bad(block.first_seq, &error.to_string()))?);
                if page.len() == limit {
                    return Ok(page);
                }
            }
            if scanned >= options.scan_max_records && block.first_seq > 1 {
                let nothing = AuditError::NothingFound { scanned, before, next: block.first_seq };
                return if page.is_empty() { Err(nothing) } else { Ok(page) };
            }
        }
    }
    Ok(page)
}

fn open(segment: &Segment, log: &Snapshot) -> Result<BackwardReader, AuditError> {
    let io = |error: &std::io::Error| AuditError::io("reading", &segment.path, error);
    let mut front = ForwardReader::open(&segment.path, segment.len).map_err(|error| io(&error))?;
    let (_, begin) = crate::log::read_header(&mut front, &segment.path, &log.node_id)?;
    BackwardReader::open(&segment.path, begin, segment.len).map_err(|error| io(&error))
}
