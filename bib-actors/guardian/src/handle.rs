//! The verbs of the guardian, for every actor above it.
//!
//! A read whose answer is kept in memory is answered here, and recorded like any other; all else is a message.
//! Each verb waits for its answer until the guardian's deadline. Dropping the future of a change does not take it back:
//! a retry with the same request id finds what was done.

mod catalog;
mod peers;
mod people;
mod status;

use crate::actor::Guardian;
use crate::agreed::Agreed;
use crate::audited::{Change, Look, draft, record_read};
use crate::error::GuardianError;
use crate::ledger::Ledger;
use crate::messages::{Do, See};
use crate::options::GuardianOptions;
use crate::recall::Recall;
use crate::space::Space;
use bib_audit::Outcome;
use bib_chunks::ChunkStore;
use bib_domain::OpContext;
use bib_kit::faults::{FaultError, Where};
use bib_kit::{Ref, clock};
use std::sync::Arc;
use std::time::Duration;

/// Reaches the guardian, whichever incarnation it is in. Cheap to clone.
#[derive(Clone)]
pub struct GuardianHandle {
    to: Ref<Guardian>,
    chunks: ChunkStore,
    space: Space,
    agreed: Agreed,
    shortcut: Shortcut,
    limits: Limits,
    /// On whose behalf reads are recorded; the node's own if nobody's.
    reader: Option<OpContext>,
}

/// What it takes to answer a read without a message: what is kept in memory, and the log that it is recorded in.
#[derive(Clone)]
pub(crate) struct Shortcut {
    pub(crate) recall: Recall,
    pub(crate) ledger: Arc<dyn Ledger>,
}

#[derive(Clone, Copy)]
struct Limits {
    deadline: Duration,
    page: u32,
    own_key: [u8; 32],
}

impl GuardianHandle {
    pub(crate) fn new(
        to: Ref<Guardian>,
        chunks: ChunkStore,
        space: Space,
        shortcut: Shortcut,
        options: &GuardianOptions,
    ) -> Self {
        let limits =
            Limits { deadline: options.ask_deadline, page: options.page_limit, own_key: options.publisher_key };
        let agreed = Agreed::new(&options.data_dir);
        Self { to, chunks, space, agreed, shortcut, limits, reader: None }
    }

    /// The same handle for one operation: its reads are recorded on behalf of whoever asked for it.
    #[must_use]
    pub fn on_behalf_of(&self, cx: &OpContext) -> Self {
        Self { reader: Some(cx.clone()), ..self.clone() }
    }

    /// The chunk store. Bytes never pass the guardian's mailbox.
    #[must_use]
    pub fn chunks(&self) -> ChunkStore {
        self.chunks.clone()
    }

    /// The room on the disks. Asking it passes no mailbox either.
    #[must_use]
    pub fn space(&self) -> Space {
        self.space.clone()
    }

    /// Which versions were seen to agree with themselves. Asking and noting pass no mailbox.
    #[must_use]
    pub fn agreed(&self) -> Agreed {
        self.agreed.clone()
    }

    /// Waits until the guardian takes requests; false if it does not within the deadline.
    pub async fn ready(&self, deadline: Duration) -> bool {
        self.to.ready(deadline).await
    }

    /// Makes the actor fail, for tests.
    ///
    /// # Errors
    /// If faults are not enabled or no incarnation is there to fail.
    pub fn inject_panic(&self, place: Where) -> Result<(), FaultError> {
        self.to.inject_panic(place)
    }

    fn reader(&self) -> OpContext {
        self.reader.clone().unwrap_or_else(|| OpContext::node(clock::new_request_id(), crate::actor::NAME))
    }

    async fn change<C: Change>(&self, change: C) -> Result<C::Output, GuardianError> {
        let request = change.cx().request_id;
        self.to.ask_as(request, Do(change), self.limits.deadline).await?
    }

    async fn look<L: Look>(&self, look: L) -> Result<L::Output, GuardianError> {
        let cx = self.reader();
        let begun = clock::monotonic();
        if let Some((output, footprint)) = self.shortcut.recall.get(&look) {
            let read = draft(&cx, L::ACTION, look.object(), L::ROLE, Outcome::Ok);
            let read = read.rows(footprint.rows).fingerprint(footprint.fingerprint).duration(clock::since(begun));
            record_read(&*self.shortcut.ledger, read).await;
            // nothing here had to wait: whoever reads in a loop must let others have the thread all the same
            tokio::task::consume_budget().await;
            return Ok(output);
        }
        self.to.ask_as(cx.request_id, See { cx, look }, self.limits.deadline).await?
    }

    /// A page as large as asked for, within the bound; 0 asks for the largest.
    fn page(&self, limit: u32) -> u32 {
        if limit == 0 { self.limits.page } else { limit.min(self.limits.page) }
    }
}
