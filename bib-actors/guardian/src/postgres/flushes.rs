//! Commits that do not keep their locks while the disk works.
//!
//! Every change of the catalogue takes the lock on its counter and keeps it until it has ended. A commit that waits for
//! the disk would make the changes that come together wait for each other's syncs, one after the other. So a commit with
//! company ends without waiting, which lets the next one go on, and is then made durable by a second transaction of the
//! same connection; PostgreSQL shares the syncs of all that wait. If the server crashes between the two, the connection is
//! gone, and with it the second one.
//!
//! Between the two the server shows to others what a crash could take back. Nobody hears of it: a transaction that ends
//! meanwhile, if it only read, makes durable what it may have seen before its answer is given.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Ends a transaction and waits for the disk.
pub(super) const COMMIT: &str = "commit";
/// Ends a transaction, lets its locks go, then waits for the disk.
pub(super) const COMMIT_THEN_FLUSH: &str =
    "set local synchronous_commit to off; commit; select pg_logical_emit_message(true, 'bib', '')";
/// Waits until all is on the disk that is in the server's log now: a transaction that writes nothing would not wait.
pub(super) const FLUSH: &str = "select pg_logical_emit_message(true, 'bib', '')";

#[derive(Default)]
struct Counts {
    /// Transactions that may write and have not ended.
    writers: AtomicUsize,
    /// Those of them whose commit was sent.
    unsettled: AtomicUsize,
    /// Commits of which it is not known how they ended, all that ever were,
    doubtful: AtomicUsize,
    /// and how many of them somebody flushed after.
    cleared: AtomicUsize,
}

/// What the connections of a database know of each other.
#[derive(Clone, Default)]
pub(super) struct Flushes(Arc<Counts>);

/// A transaction that may write, until it is dropped.
pub(super) struct Writing {
    counts: Arc<Counts>,
    /// The commit is on its way; so many were doubtful before it.
    sent: Option<usize>,
}

impl Flushes {
    /// Whether a transaction that may write is open.
    pub(super) fn is_busy(&self) -> bool {
        self.0.writers.load(SeqCst) > 0
    }

    /// A transaction that may write begins.
    pub(super) fn writing(&self) -> Writing {
        self.0.writers.fetch_add(1, SeqCst);
        Writing { counts: Arc::clone(&self.0), sent: None }
    }

    /// Whether a transaction that reads may have seen what is not durable yet. To be asked when it has read.
    pub(super) fn unsettled(&self) -> Option<Doubts> {
        // first, since what leaves these becomes doubtful before it does: whoever looks the other way round may miss it
        let open = self.0.unsettled.load(SeqCst) > 0;
        let doubts = self.0.doubtful.load(SeqCst);
        (open || doubts > self.0.cleared.load(SeqCst)).then(|| Doubts { counts: Arc::clone(&self.0), doubts })
    }
}

/// What a flush is about to settle.
pub(super) struct Doubts {
    counts: Arc<Counts>,
    doubts: usize,
}

impl Doubts {
    /// A flush that began after this was made has ended well.
    pub(super) fn settled(self) {
        self.counts.settle(self.doubts);
    }
}

impl Counts {
    /// So many doubts were there before a flush that has ended well. Those that came since are left to the next one.
    fn settle(&self, doubts: usize) {
        self.cleared.fetch_max(doubts, SeqCst);
    }
}

impl Writing {
    /// Whether no other transaction that may write is open.
    pub(super) fn is_alone(&self) -> bool {
        self.counts.writers.load(SeqCst) == 1
    }

    /// How this transaction is to be ended, which happens now; `company` says that others wait for its end.
    pub(super) fn commit(&mut self, company: bool) -> &'static str {
        let counts = &self.counts;
        // before the commit: a flush settles no doubt that comes after it began
        let doubts = counts.doubtful.load(SeqCst);
        // and once more when it is known to be alone: whoever left meanwhile may have become doubtful first
        if !company && self.is_alone() && counts.doubtful.load(SeqCst) == counts.cleared.load(SeqCst) {
            return COMMIT;
        }
        counts.unsettled.fetch_add(1, SeqCst);
        self.sent = Some(doubts);
        COMMIT_THEN_FLUSH
    }

    /// It is durable.
    pub(super) fn settled(mut self) {
        if let Some(doubts) = self.sent.take() {
            self.counts.settle(doubts);
            self.counts.unsettled.fetch_sub(1, SeqCst);
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.sent.is_some() {
            self.counts.doubtful.fetch_add(1, SeqCst);
            self.counts.unsettled.fetch_sub(1, SeqCst);
        }
        self.counts.writers.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_waits_with_its_locks_and_company_without() {
        let flushes = Flushes::default();
        let mut one = flushes.writing();
        assert_eq!(one.commit(false), COMMIT);
        assert!(flushes.unsettled().is_none(), "nobody sees it before it is durable");
        let mut two = flushes.writing();
        assert_eq!(two.commit(false), COMMIT_THEN_FLUSH);
        assert!(flushes.unsettled().is_some());
        one.settled();
        assert!(flushes.unsettled().is_some());
        two.settled();
        assert!(flushes.unsettled().is_none());
        assert_eq!(flushes.writing().commit(false), COMMIT, "it is alone again");
        assert_eq!(flushes.writing().commit(true), COMMIT_THEN_FLUSH, "it has company that has not begun yet");
    }

    #[test]
    fn a_commit_whose_end_is_unknown_is_settled_by_a_later_flush() {
        let flushes = Flushes::default();
        let (other, mut lost) = (flushes.writing(), flushes.writing());
        lost.commit(false);
        drop(lost);
        drop(other);
        assert_eq!(flushes.writing().commit(false), COMMIT_THEN_FLUSH, "what it saw may not be durable");
        let flush = flushes.unsettled().unwrap();
        let (other, mut lost) = (flushes.writing(), flushes.writing());
        lost.commit(false);
        drop((lost, other));
        flush.settled();
        let flush = flushes.unsettled().expect("that flush may have begun too early for the second");
        flush.settled();
        assert!(flushes.unsettled().is_none());
        assert_eq!(flushes.writing().commit(false), COMMIT);
    }

    #[test]
    fn a_transaction_that_was_undone_leaves_no_doubt() {
        let flushes = Flushes::default();
        drop((flushes.writing(), flushes.writing()));
        assert!(flushes.unsettled().is_none());
    }
}
