//! One handler a message. Records go to the writer's queue, reading goes to the blocking pool.

use crate::actor::AuditActor;
use crate::error::AuditError;
use crate::handle::Unsettled;
use crate::log::{Head, Snapshot};
use crate::messages::{Append, AppendBuffered, AskHead, AskUnsettled, ExportSince, List, Verify};
use crate::queue::{Queue, Waiter};
use crate::read;
use bib_kit::{CancellationToken, Cx, Handles, Reply};
use std::sync::Arc;
use tokio::sync::oneshot;

impl Handles<Append> for AuditActor {
    fn handle(&mut self, msg: Append, _cx: &mut Cx<'_, Self>) -> Reply<Result<crate::Receipt, AuditError>> {
        if let Some(room) = self.queue.try_room() {
            let (promise, reply) = Reply::promise();
            // An error has gone to the waiter already.
            let _ = self.queue.push(msg.draft, Waiter::Asker(promise), room);
            return reply;
        }
        let queue = self.queue.clone();
        Reply::later(async move {
            let room = queue.room().await?;
            let (tx, rx) = oneshot::channel();
            queue.push(msg.draft, Waiter::Future(tx), room)?;
            rx.await.map_err(|_| AuditError::NotWritable { reason: "the writer ended without an answer".to_owned() })?
        })
    }
}

impl Handles<AppendBuffered> for AuditActor {
    fn handle(&mut self, msg: AppendBuffered, _cx: &mut Cx<'_, Self>) -> Reply<Result<(), AuditError>> {
        if let Some(room) = self.queue.try_room() {
            return Reply::now(self.queue.push(msg.draft, Waiter::Nobody, room));
        }
        let queue: Queue = self.queue.clone();
        Reply::later(async move {
            let room = queue.room().await?;
            queue.push(msg.draft, Waiter::Nobody, room)
        })
    }
}

impl Handles<AskHead> for AuditActor {
    fn handle(&mut self, _: AskHead, _cx: &mut Cx<'_, Self>) -> Reply<Head> {
        Reply::now(self.shared.head())
    }
}

impl Handles<Verify> for AuditActor {
    fn handle(&mut self, _: Verify, _cx: &mut Cx<'_, Self>) -> Reply<Result<crate::AuditVerdict, AuditError>> {
        let options = Arc::clone(&self.options);
        self.read(move |log, ended| read::verify(log, &options.dir, ended))
    }
}

impl Handles<List> for AuditActor {
    fn handle(&mut self, msg: List, _cx: &mut Cx<'_, Self>) -> Reply<Result<Vec<crate::AuditRecord>, AuditError>> {
        let options = Arc::clone(&self.options);
        let read = self.reading(move |log, ended| read::list(log, &msg.filter, &options, ended));
        let queue = self.queue.clone();
        Reply::later(async move {
            // who did something and then looks for it finds it; a log that takes no more can be read all the same
            let _ = queue.barrier().await;
            read.await
        })
    }
}

impl Handles<ExportSince> for AuditActor {
    fn handle(
        &mut self,
        msg: ExportSince,
        _cx: &mut Cx<'_, Self>,
    ) -> Reply<Result<Vec<crate::AuditRecord>, AuditError>> {
        let (options, cursors) = (Arc::clone(&self.options), Arc::clone(&self.cursors));
        self.read(move |log, ended| read::export_since(log, msg.seq, msg.limit, (&options, &cursors), ended))
    }
}

impl Handles<AskUnsettled> for AuditActor {
    fn handle(&mut self, _: AskUnsettled, _cx: &mut Cx<'_, Self>) -> Reply<Result<Vec<Unsettled>, AuditError>> {
        let (options, cursors, shared) =
            (Arc::clone(&self.options), Arc::clone(&self.cursors), Arc::clone(&self.shared));
        let read = self.reading(move |log, ended| {
            let open = shared.unsettled(|unsettled| {
                let open = unsettled.open().filter(|open| open.seq <= log.head.seq);
                open.map(|open| (open.seq, unsettled.is_left_over(open.seq))).collect::<Vec<_>>()
            });
            let mut found = Vec::with_capacity(open.len());
            for (seq, left_over) in open {
                match read::export_since(log, seq - 1, 1, (&options, &cursors), ended) {
                    Ok(records) => found.extend(records.into_iter().map(|intent| Unsettled { intent, left_over })),
                    // the others are found all the same
                    Err(error) => tracing::error!(seq, %error, "an intent without an outcome cannot be read"),
                }
            }
            Ok(found)
        });
        let queue = self.queue.clone();
        Reply::later(async move {
            // an outcome that is on its way is none that is missing
            queue.barrier().await?;
            read.await
        })
    }
}

impl AuditActor {
    /// Reads on the blocking pool, what is durable when the reading begins.
    fn read<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Snapshot, &CancellationToken) -> Result<T, AuditError> + Send + 'static,
    ) -> Reply<Result<T, AuditError>> {
        Reply::later(self.reading(call))
    }

    fn reading<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Snapshot, &CancellationToken) -> Result<T, AuditError> + Send + 'static,
    ) -> impl Future<Output = Result<T, AuditError>> + Send + 'static {
        let (pool, shared, ended) = (self.readers.clone(), Arc::clone(&self.shared), self.ended.clone());
        async move { pool.run(move || call(&shared.snapshot(), &ended)).await? }
    }
}
