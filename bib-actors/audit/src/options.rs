//! Where the log lies, and every bound of this crate with its unit.

use bib_domain::NodeId;
use bib_kit::Placement;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The options of the audit chain.
#[derive(Clone)]
pub struct AuditOptions {
    /// The directory of the segment files. Since 0.1.
    pub dir: PathBuf,
    /// The node that writes the log; a log of another node is refused. Since 0.1.
    pub node_id: NodeId,
    /// Secret from which each epoch's HMAC key is derived. Since 0.1.
    pub hmac_key: [u8; 32],
    /// A segment file is closed before it would grow past this, in bytes. It bounds what is read at start: not larger,
    /// or a start takes long; not smaller, or a long log has very many files. Since 0.1.
    pub segment_max_bytes: u64,
    /// Room that is kept for further records in the active segment, in bytes: when the disk is full, refusals and reads
    /// are recorded in it. Not smaller, or a refused client's retries use it up; 0 keeps none. Since 0.1.
    pub reserve_bytes: u64,
    /// Records in one group commit. Not larger: all their callers wait for the same sync. Since 0.1.
    pub batch_max_entries: usize,
    /// Bytes in one group commit. Since 0.1.
    pub batch_max_bytes: usize,
    /// Records that wait for the writer. Not smaller than a batch, or batches do not fill. Since 0.1.
    pub queue_capacity: usize,
    /// Requests that wait for the actor; each is held until its answer. Since 0.1.
    pub mailbox_capacity: usize,
    /// How long a batch of buffered records alone may wait for company. Well below the promised time, which includes
    /// the sync. Since 0.1.
    pub buffer_delay: Duration,
    /// How often the mark of what is durable is renewed while records are written. Since 0.1.
    pub mark_interval: Duration,
    /// How long a start waits for the incarnation before it to finish its last batch. Since 0.1.
    pub lock_wait: Duration,
    /// How long an append may take before its outcome counts as unknown. Since 0.1.
    pub append_deadline: Duration,
    /// How long reading a page may take. Since 0.1.
    pub read_deadline: Duration,
    /// How long a full verification may take. Since 0.1.
    pub verify_deadline: Duration,
    /// Records in one page. Since 0.1.
    pub page_max: usize,
    /// Records that one filtered page may look at. Since 0.1.
    pub scan_max_records: u64,
    /// Pages and verifications at the same time. Since 0.1.
    pub readers: usize,
    /// Intents without an outcome that are known by name. Not smaller than what may be under way at the same time, or one
    /// that a crash left open stays without an outcome. Since 0.1.
    pub unsettled_max: usize,
    /// Where the actor runs; tests without a root put it on their own thread. Since 0.1.
    pub placement: Placement,
}

impl AuditOptions {
    /// The options for a log in `dir`, everything else as usual.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, node_id: NodeId, hmac_key: [u8; 32]) -> Self {
        Self {
            dir: dir.into(),
            node_id,
            hmac_key,
            segment_max_bytes: 16 << 20,
            reserve_bytes: 4 << 20,
            batch_max_entries: 1_024,
            batch_max_bytes: 1 << 20,
            queue_capacity: 4_096,
            mailbox_capacity: 4_096,
            buffer_delay: Duration::from_millis(20),
            mark_interval: Duration::from_secs(1),
            lock_wait: Duration::from_secs(10),
            append_deadline: Duration::from_secs(15),
            read_deadline: Duration::from_secs(60),
            verify_deadline: Duration::from_secs(3_600),
            page_max: 1_000,
            scan_max_records: 5_000_000,
            readers: 3,
            unsettled_max: 4_096,
            placement: Placement::Own,
        }
    }
}

impl fmt::Debug for AuditOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditOptions")
            .field("dir", &self.dir)
            .field("node_id", &self.node_id)
            .field("segment_max_bytes", &self.segment_max_bytes)
            .finish_non_exhaustive()
    }
}
