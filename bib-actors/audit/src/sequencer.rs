//! Turns drafts into records: position, previous hash, times, HMACs, salt; and makes them durable block by block.

use crate::clock::TimeSource;
use crate::draft::AuditDraft;
use crate::error::AuditError;
use crate::format::{CLOCK_RESTARTED, CLOCK_WENT_BACK, Hash, ZERO_HASH};
use crate::log::{BlockBuilder, Cut, Log};
use crate::outcome::Outcome;
use crate::params::ParamKey;
use crate::record::AuditRecord;
use bib_domain::{OpContext, RequestId};

/// Records of a block after which others get the processor: a block of a thousand takes some milliseconds, and where all
/// processors are busy, a call that waits behind it is late by as much.
const YIELD_EVERY: usize = 8;

/// The one place where a record gets its position.
pub(crate) struct Sequencer {
    log: Log,
    key: ParamKey,
    clock: Box<dyn TimeSource>,
    block_max_bytes: usize,
    /// No record was written since the log was opened.
    fresh: bool,
    /// Says that a torn tail was cut off, until it is written.
    note: Option<AuditDraft>,
}

impl Sequencer {
    /// A sequencer that goes on where `log` ends and closes a block when it has `block_max_bytes`.
    pub(crate) fn new(log: Log, key: ParamKey, clock: Box<dyn TimeSource>, block_max_bytes: usize) -> Self {
        Self { log, key, clock, block_max_bytes, fresh: true, note: None }
    }

    /// Makes as many of the drafts durable as fit a block, and returns their records. After an error those taken may or
    /// may not be in the log, and nothing more can be written; after [`AuditError::NoRoom`] they are not, and it can.
    pub(crate) fn commit(
        &mut self,
        drafts: &mut dyn Iterator<Item = AuditDraft>,
    ) -> Result<Vec<AuditRecord>, AuditError> {
        self.write_note()?;
        self.write(drafts)
    }

    fn write(&mut self, drafts: &mut dyn Iterator<Item = AuditDraft>) -> Result<Vec<AuditRecord>, AuditError> {
        let chain = self.log.chain();
        let (mut seq, mut hash, mut unix_ns) = (chain.seq, chain.hash, chain.unix_ns);
        let mut block = BlockBuilder::new(seq + 1);
        let mut records = Vec::new();
        let mut salts = Salts::default();
        let fresh = self.fresh;
        while block.len() < self.block_max_bytes {
            let Some(draft) = drafts.next() else { break };
            let mut record = self.record(draft.tidied(), seq + 1, hash, unix_ns, salts.next()?);
            record.leaf_hash = block.push(&record);
            (seq, hash, unix_ns) = (record.seq, record.leaf_hash, record.unix_ns);
            self.fresh = false;
            records.push(record);
            if records.len() % YIELD_EVERY == 0 {
                std::thread::yield_now();
            }
        }
        if !records.is_empty()
            && let Err(error) = self.log.commit(block, (seq, hash, unix_ns))
        {
            self.fresh = fresh;
            return Err(error);
        }
        self.log.note(&records);
        Ok(records)
    }

    fn record(&self, draft: AuditDraft, seq: u64, prev_hash: Hash, before_ns: u64, salt: [u8; 32]) -> AuditRecord {
        let now = self.clock.now();
        let went_back = if now.unix_ns < before_ns { CLOCK_WENT_BACK } else { 0 };
        let restarted = if self.fresh { CLOCK_RESTARTED } else { 0 };
        let chain = self.log.chain();
        AuditRecord {
            epoch: chain.epoch,
            seq,
            prev_hash,
            unix_ns: now.unix_ns,
            monotonic_ns: now.monotonic_ns,
            clock_flags: went_back | restarted,
            node_id: chain.node_id.clone(),
            actor: draft.actor,
            session_hash: draft.session_hash,
            job_id: draft.job_id,
            op_id: draft.op_id,
            role: draft.role,
            action: draft.action,
            object: draft.object,
            fingerprint: draft.fingerprint,
            rows: draft.rows,
            duration_us: draft.duration_us,
            component: draft.component,
            outcome: draft.outcome,
            params: self.key.seal(draft.params),
            break_glass: draft.break_glass,
            metadata: draft.metadata,
            salt,
            leaf_hash: ZERO_HASH,
        }
    }

    /// Writes down that a torn tail was cut off when the log was opened: now, or ahead of the first record for which there
    /// is room.
    pub(crate) fn note_cut(&mut self, cut: &Cut, op_id: RequestId) -> Result<(), AuditError> {
        let file = cut.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let draft = AuditDraft::from_op(&OpContext::node(op_id, crate::NAME), "audit.cut", file)
            .outcome(Outcome::Ok)
            .metadata("after_seq", cut.after_seq.to_string())
            .metadata("bytes", cut.bytes.to_string());
        self.note = Some(draft);
        match self.write_note() {
            Err(error @ AuditError::NoRoom { .. }) => {
                tracing::warn!(%error, "that a torn tail was cut off is recorded when there is room");
                Ok(())
            }
            written => written,
        }
    }

    fn write_note(&mut self) -> Result<(), AuditError> {
        if let Some(note) = self.note.clone() {
            self.write(&mut std::iter::once(note))?;
            self.note = None;
        }
        Ok(())
    }

    /// Whether records were written since the last mark.
    pub(crate) fn unmarked(&self) -> bool {
        self.log.unmarked()
    }

    /// Renews the mark.
    pub(crate) fn mark(&mut self) {
        self.log.mark();
        self.log.keep_passed(false);
    }

    /// The same at the end.
    pub(crate) fn close(&mut self) {
        self.log.mark();
        self.log.keep_passed(true);
        self.log.close();
    }
}

/// Salts for a batch, drawn from the system many at a time.
#[derive(Default)]
struct Salts {
    drawn: Vec<[u8; 32]>,
}

impl Salts {
    fn next(&mut self) -> Result<[u8; 32], AuditError> {
        if let Some(salt) = self.drawn.pop() {
            return Ok(salt);
        }
        let mut bytes = [0; 32 * 16];
        getrandom::fill(&mut bytes).map_err(|error| AuditError::NotWritable {
            reason: format!("the system gives no random numbers: {error}"),
        })?;
        let (salts, _) = bytes.as_chunks::<32>();
        let (first, rest) = salts.split_first().expect("sixteen salts were drawn");
        self.drawn.extend_from_slice(rest);
        Ok(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::open_sequencer;
    use crate::clock::Stamp;
    use crate::format::{RECORD_MAX_BYTES, bound};
    use crate::log::DirLock;
    use crate::options::AuditOptions;
    use crate::storage::DiskFs;
    use std::cell::RefCell;
    use std::path::Path;
    use std::sync::Arc;

    /// A clock that shows what it is told to, one moment after the other.
    struct Told(RefCell<Vec<u64>>);

    impl TimeSource for Told {
        fn now(&self) -> Stamp {
            let mut times = self.0.borrow_mut();
            let unix_ns = if times.is_empty() { 0 } else { times.remove(0) };
            Stamp { unix_ns, monotonic_ns: 0 }
        }
    }

    fn open(dir: &Path, times: &[u64]) -> Sequencer {
        let node = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap();
        let options = AuditOptions::new(dir, node, [1; 32]);
        let lock = DirLock::try_take(dir).unwrap().unwrap();
        open_sequencer(&options, Arc::new(DiskFs), lock, Box::new(Told(RefCell::new(times.to_vec())))).unwrap().0
    }

    fn draft() -> AuditDraft {
        AuditDraft::from_op(&OpContext::node(RequestId::from_bytes([0; 16]), "test"), "test", "object")
    }

    fn flags(sequencer: &mut Sequencer) -> u64 {
        sequencer.commit(&mut std::iter::once(draft())).unwrap()[0].clock_flags
    }

    #[test]
    fn a_clock_that_goes_back_is_flagged_also_across_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        // The first moment is that of opening.
        let mut log = open(dir.path(), &[0, 100, 100, 90, 95]);
        assert_eq!(flags(&mut log), CLOCK_RESTARTED);
        assert_eq!(flags(&mut log), 0);
        assert_eq!(flags(&mut log), CLOCK_WENT_BACK);
        assert_eq!(flags(&mut log), 0);
        drop(log);
        let mut log = open(dir.path(), &[0, 94, 96]);
        assert_eq!(flags(&mut log), CLOCK_WENT_BACK | CLOCK_RESTARTED);
        assert_eq!(flags(&mut log), 0);
    }

    #[test]
    fn a_clock_that_was_far_ahead_gives_no_deadline_more_time() {
        let dir = tempfile::tempdir().unwrap();
        let (now, hour, year) = (bib_kit::clock::unix_ns(), 3_600 * 1_000_000_000, 365 * 24 * 3_600 * 1_000_000_000);
        let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap();
        let mut log = open(dir.path(), &[now, now + 10 * year]);
        log.commit(&mut std::iter::once(draft())).unwrap();
        drop(log);
        let mut log = open(dir.path(), &[now, now + hour]);
        assert!(bib_kit::clock::passed_ms() < ms(now + year), "ten years did not pass");
        log.commit(&mut std::iter::once(draft())).unwrap();
        drop(log);
        open(dir.path(), &[now]);
        assert!(bib_kit::clock::passed_ms() >= ms(now + hour), "a clock that was set back by an hour");
    }

    #[test]
    fn the_longest_record_fits() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = open(dir.path(), &[0, u64::MAX]);
        let full = |max: usize| "x".repeat(max);
        let mut draft = draft().rows(u64::MAX).fingerprint(full(bound::FINGERPRINT)).job(full(bound::JOB_ID));
        draft.session_hash = Some([1; 32]);
        draft.duration_us = u64::MAX;
        (draft.actor, draft.role) = (full(bound::ACTOR), full(bound::ROLE));
        (draft.action, draft.object) = (full(bound::ACTION), full(bound::OBJECT));
        draft.component = full(bound::COMPONENT);
        draft.params = vec![(full(bound::PARAM_NAME), "v".to_owned()); bound::PARAMS];
        draft.metadata = vec![(full(bound::METADATA_NAME), full(bound::METADATA_VALUE)); bound::METADATA];
        let record = log.commit(&mut std::iter::once(draft)).unwrap().remove(0);
        assert_eq!(record.object.len(), bound::OBJECT, "nothing was cut");
        assert!(record.encode().len() + 200 < RECORD_MAX_BYTES, "{}", record.encode().len());
    }
}
