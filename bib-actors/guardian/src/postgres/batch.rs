//! Changes that are statements alone, carried out many at a time.
//!
//! A change that looks at the answer of each statement before it sends the next one lets the database's process and the
//! node wait for each other, one after the other. Where it is known beforehand what a change says, and that it is done
//! when each statement has changed a row, all changes that wait go to the database at once: one transaction, no
//! savepoints, one wait for all their answers and one for their commit, and what many of them say alike is said once
//! ([`super::fold`]).
//!
//! If a single statement fails or does not change the rows that it should, the transaction is rolled back, and each of its changes is tried by
//! itself, where what is wrong with it gets its own error. While a batch runs its statements it has the turn of the line
//! in [`super::group`]: of two such transactions neither could wait for a lock that the other holds.

use super::flushes::{Flushes, Writing};
use super::fold::{fold, shares};
use super::group::{Line, Turn};
use super::pools::Pools;
use super::session::{BEGIN_WRITE, finished};
use super::statements::{db_error, run_all};
use crate::database::{DbError, DbRole, Statement};
use deadpool_postgres::Object;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Rows that a change changed; `None` if it is to be tried by itself.
type Answer = Result<Option<u64>, DbError>;

struct Waiting {
    statements: Vec<Statement>,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether a task takes from it.
    served: bool,
}

/// The batches of one role. As many changes wait as the guardian lets run at the same time.
pub(super) struct Batches {
    pub(super) role: DbRole,
    /// Changes of one batch.
    pub(super) most: usize,
    pub(super) pools: Arc<Pools>,
    pub(super) flushes: Flushes,
    pub(super) line: Arc<Line>,
    pub(super) queue: Mutex<Queue>,
}

/// A task that takes from the queue. If it ends before it is done, what still waits is let go and tried by itself.
struct Server(Option<Arc<Batches>>);

impl Server {
    /// Nobody waits any more, and whoever comes next has another task begun.
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(batches) = self.0.take() {
            *batches.queue.lock() = Queue::default();
        }
    }
}

/// A transaction that has begun. Dropped before its commit it takes its connection with it, which undoes it.
struct Open {
    /// `Some` until its commit is sent.
    client: Option<Object>,
    writing: Option<Writing>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

impl Open {
    fn client(&self) -> Result<&Object, DbError> {
        self.client.as_ref().ok_or_else(finished)
    }

    /// How many rows each change changed, if each statement changed those that it should. If not, the transaction is
    /// rolled back.
    async fn run_all(&mut self, changes: &[&[Statement]]) -> Option<Vec<u64>> {
        let client = self.client.as_ref()?;
        let steps = fold(changes);
        let rows = run_all(client, &steps).await.ok();
        let counts = rows.and_then(|rows| shares(&steps, &rows, changes.len()));
        if counts.is_none() && client.batch_execute("rollback").await.is_ok() {
            // it goes back as it came
            drop(self.client.take());
        }
        counts
    }
}

impl Batches {
    /// Carries a change out in the next batch.
    pub(super) async fn run(self: &Arc<Self>, statements: Vec<Statement>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let start = {
            let mut queue = self.queue.lock();
            queue.waiting.push_back(Waiting { statements, answer });
            !std::mem::replace(&mut queue.served, true)
        };
        if start {
            let (batches, server) = (Arc::clone(self), Server(Some(Arc::clone(self))));
            // a task of its own: nobody who is given up leaves the others without an answer
            tokio::spawn(async move {
                batches.serve().await;
                server.done();
            });
        }
        answered.await.unwrap_or(Ok(None))
    }

    async fn serve(&self) {
        while self.is_wanted() {
            // a transaction holds no locks before its first statement, so it may begin before its turn
            let ready = match self.begin().await {
                Ok(open) => self.line.turn(self.pools.wait(), self.role.group()).await.map(|turn| (open, turn)),
                Err(error) => Err(error),
            };
            let batch = self.take();
            match ready {
                Ok((open, turn)) => self.carry_out(open, batch, turn).await,
                Err(error) => tell(batch, || Err(error.clone())),
            }
        }
    }

    /// Whether anybody waits. If not, nobody takes from the queue any more.
    fn is_wanted(&self) -> bool {
        let mut queue = self.queue.lock();
        queue.served = !queue.waiting.is_empty();
        queue.served
    }

    fn take(&self) -> Vec<Waiting> {
        let mut queue = self.queue.lock();
        let count = queue.waiting.len().min(self.most.max(1));
        queue.waiting.drain(..count).collect()
    }

    async fn begin(&self) -> Result<Open, DbError> {
        let open = Open { client: Some(self.pools.get(self.role).await?), writing: Some(self.flushes.writing()) };
        open.client()?.batch_execute(BEGIN_WRITE).await.map_err(|error| db_error(&error))?;
        Ok(open)
    }

    /// Runs the statements of a batch and sends its commit, whose end somebody else waits for.
    async fn carry_out(&self, mut open: Open, batch: Vec<Waiting>, turn: Turn) {
        let changes: Vec<&[Statement]> = batch.iter().map(|one| one.statements.as_slice()).collect();
        let counts = open.run_all(&changes).await;
        // what could not be rolled back stays in `open`, which takes the connection with it
        let ready = counts.and_then(|counts| Some((counts, open.client.take()?, open.writing.take()?)));
        let Some((counts, client, mut writing)) = ready else {
            drop(open);
            return tell(batch, || Ok(None));
        };
        let company = self.line.has_company() || !self.queue.lock().waiting.is_empty();
        let commit = writing.commit(company);
        tokio::spawn(async move { end(client, writing, commit, batch, counts).await });
        // whoever comes next may run statements while this one waits for the disk
        drop(turn);
    }
}

/// Waits until a batch is durable, and tells each of its changes how many rows it changed.
async fn end(client: Object, writing: Writing, commit: &'static str, batch: Vec<Waiting>, counts: Vec<u64>) {
    match client.batch_execute(commit).await {
        Ok(()) => {
            writing.settled();
            // the connection goes back before anybody asks for one
            drop(client);
            for (one, rows) in batch.into_iter().zip(counts) {
                // whoever has been given up hears nothing
                let _ = one.answer.send(Ok(Some(rows)));
            }
        }
        Err(error) => {
            drop(Object::take(client));
            let error = db_error(&error);
            tell(batch, || Err(error.clone()));
        }
    }
}

fn tell(batch: Vec<Waiting>, answer: impl Fn() -> Answer) {
    for one in batch {
        let _ = one.answer.send(answer());
    }
}

#[cfg(test)]
mod tests;
