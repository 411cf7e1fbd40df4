//! Records from a position on, oldest first: what the index of the log is filled from.

use super::{ForwardReader, Next, damaged};
use crate::error::AuditError;
use crate::log::{Broken, Chain, Snapshot};
use crate::options::AuditOptions;
use crate::record::AuditRecord;
use bib_kit::CancellationToken;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::PathBuf;

/// How many places are remembered: about as many as there are readers who follow the log.
const PLACES: usize = 8;

/// A place where a block begins.
#[derive(Debug, Clone)]
struct Place {
    segment: PathBuf,
    /// The position of the block's first record.
    seq: u64,
    offset: u64,
}

/// Where earlier exports ended, so that the next one does not read its segment from the beginning.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    places: Mutex<VecDeque<Place>>,
}

impl Cursors {
    /// The nearest place in a segment from which `seq` is still to come.
    fn nearest(&self, segment: &PathBuf, seq: u64) -> Option<(u64, u64)> {
        let places = self.places.lock();
        let fit = places.iter().filter(|place| place.segment == *segment && place.seq <= seq);
        fit.max_by_key(|place| place.seq).map(|place| (place.seq, place.offset))
    }

    fn remember(&self, segment: PathBuf, seq: u64, offset: u64) {
        let mut places = self.places.lock();
        if places.len() == PLACES {
            places.pop_front();
        }
        places.push_back(Place { segment, seq, offset });
    }
}

/// At most `limit` records after position `seq`, oldest first.
pub(crate) fn export_since(
    log: &Snapshot,
    seq: u64,
    limit: usize,
    (options, cursors): (&AuditOptions, &Cursors),
    ended: &CancellationToken,
) -> Result<Vec<AuditRecord>, AuditError> {
    let limit = limit.clamp(1, options.page_max.max(1));
    let mut page: Vec<AuditRecord> = Vec::new();
    if seq >= log.head.seq {
        return Ok(page);
    }
    let mut chain: Option<Chain> = None;
    for segment in log.segments_from(seq + 1) {
        let io = |error: &std::io::Error| AuditError::io("reading", &segment.path, error);
        let bad = |seq: u64, problem: &str| damaged(segment, Broken { seq, problem: problem.to_owned() });
        let mut reader = ForwardReader::open(&segment.path, segment.len).map_err(|error| io(&error))?;
        crate::log::read_header(&mut reader, &segment.path, &log.node_id)?;
        let mut next = segment.first_seq;
        if let Some((at, offset)) = cursors.nearest(&segment.path, seq + 1) {
            reader.seek(offset);
            next = at;
        }
        loop {
            if ended.is_cancelled() {
                return Err(AuditError::Reader { reason: "the audit chain is being stopped".to_owned() });
            }
            let offset = reader.offset();
            let block = match reader.next().map_err(|error| io(&error))? {
                Next::End => break,
                Next::Block(block, _) if block.first_seq == next => block,
                Next::Block(..) => return Err(bad(next, "the block does not begin with the next record")),
                Next::Bad(problem) => return Err(bad(next, problem)),
            };
            next += u64::from(block.count);
            if next <= seq + 1 {
                continue;
            }
            let mut records = Vec::new();
            let room = limit - page.len();
            chain
                .get_or_insert_with(|| Chain::before(&block, log.head.epoch, &log.node_id))
                .follow(&block, |view, hash| {
                    if view.seq > seq && records.len() < room {
                        records.push(AuditRecord::from_view(view, hash));
                    }
                })
                .map_err(|broken| damaged(segment, broken))?;
            for record in records {
                page.push(record.map_err(|error| bad(block.first_seq, &error.to_string()))?);
            }
            if page.len() >= limit {
                cursors.remember(segment.path.clone(), block.first_seq, offset);
                return Ok(page);
            }
        }
        if next == log.head.seq + 1 {
            cursors.remember(segment.path.clone(), next, segment.len);
        }
    }
    Ok(page)
}
