//! Changes that come together share a transaction.
//!
//! Changes that all take the lock on the catalogue's counter run one after the other anyway. Each on its own connection,
//! they would wake each other's server processes and wait for as many commits; here those that wait in line run in one
//! transaction, each behind a savepoint of its own, and are committed at once. One that fails, or is given up, is
//! rolled back to its savepoint, and the others go on. None of them is answered before the commit.
//!
//! Only changes whose first lock that others may hold is the counter's may share: whoever holds the counter then waits for
//! nobody who waits for it.

use super::flushes::{Flushes, Writing};
use super::session::{BEGIN_WRITE, finished, give_back, undo};
use super::statements::{Prepared, db_error};
use crate::database::{Answered, Column, DbError, Pace, Row, Rows, Session, Statement, Value};
use async_trait::async_trait;
use deadpool_postgres::Object;
use futures::FutureExt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

/// What came of a group's commit, once it is known.
type End = Option<Result<(), DbError>>;

/// The changes of one role that may share a transaction, in the order in which they came.
pub(super) struct Line {
    /// Changes of one transaction.
    most: usize,
    /// The transaction that is open, if there is one. Whoever has the lock may use it.
    group: Arc<Mutex<Option<Group>>>,
    waiting: AtomicUsize,
}

/// The line's lock, while a transaction of another kind runs its statements.
pub(super) struct Turn(#[expect(dead_code, reason = "held, not looked into")] OwnedMutexGuard<Option<Group>>);

/// A transaction that is open: what its members did that have ended stands before its savepoint.
struct Group {
    client: Object,
    writing: Writing,
    flushes: Flushes,
    /// Members that have ended and wait for the commit. As soon as there is one, somebody waits in line to commit.
    members: usize,
    ended: watch::Sender<End>,
}

/// A change in line, until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, SeqCst);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Line {
    /// At most so many in one transaction.
    pub(super) fn new(most: usize) -> Self {
        Self { most, group: Arc::default(), waiting: AtomicUsize::new(0) }
    }

    /// Waits for its turn, then takes part in the open transaction, or begins one on a connection that `connect` makes.
    pub(super) async fn join(
        self: &Arc<Self>,
        patience: Duration,
        role: &'static str,
        flushes: &Flushes,
        connect: impl Future<Output = Result<Object, DbError>>,
    ) -> Result<Member, DbError> {
        let group = self.wait(patience, role).await?;
        self.enter(group, flushes, connect).await
    }

    /// As [`Self::join`], if nobody would have to wait for it, nor it for anybody.
    pub(super) async fn join_alone(
        self: &Arc<Self>,
        flushes: &Flushes,
        connect: impl Future<Output = Result<Object, DbError>>,
    ) -> Option<Member> {
        let group = Arc::clone(&self.group).try_lock_owned().ok()?;
        if group.is_some() || flushes.is_busy() {
            return None;
        }
        self.enter(group, flushes, connect).await.ok()
    }

    /// Waits for its turn with a transaction of another kind. One that is open is committed, and needs no turn for that.
    pub(super) async fn turn(&self, patience: Duration, role: &'static str) -> Result<Turn, DbError> {
        let mut group = self.wait(patience, role).await?;
        if let Some(open) = group.take() {
            tokio::spawn(async move {
                // its members hear of it
                let _ = open.commit(true).await;
            });
        }
        Ok(Turn(group))
    }

    async fn wait(&self, patience: Duration, role: &'static str) -> Result<OwnedMutexGuard<Option<Group>>, DbError> {
        let waits = Waits::new(&self.waiting);
        let turn = tokio::time::timeout(patience, Arc::clone(&self.group).lock_owned()).await;
        drop(waits);
        let waited_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        turn.map_err(|_| DbError::Overloaded { role, waited_ms })
    }

    /// Whether anybody waits for a turn.
    pub(super) fn has_company(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    async fn enter(
        self: &Arc<Self>,
        mut group: OwnedMutexGuard<Option<Group>>,
        flushes: &Flushes,
        connect: impl Future<Output = Result<Object, DbError>>,
    ) -> Result<Member, DbError> {
        let line = Arc::clone(self);
        if group.is_some() {
            return Ok(Member { group: Some(group), line, state: State::Sound });
        }
        let (client, writing, flushes) = (connect.await?, flushes.writing(), flushes.clone());
        *group = Some(Group { client, writing, flushes, members: 0, ended: watch::Sender::new(None) });
        // whatever ends this before the transaction is open takes the connection with it
        let mut member = Member { group: Some(group), line, state: State::Busy };
        let begun = member.client()?.batch_execute(&format!("{BEGIN_WRITE}; savepoint {}", savepoint(0))).await;
        begun.map_err(|error| db_error(&error))?;
        member.state = State::Sound;
        Ok(member)
    }

    /// Commits a group when those that are in line now have taken part in it. It is a task of its own, so that nobody who
    /// is given up leaves the others without an answer.
    fn close_soon(self: &Arc<Self>, ended: watch::Sender<End>) {
        let group = Arc::clone(&self.group);
        tokio::spawn(async move {
            let mut turn = group.lock_owned().await;
            // a group that was full has been committed already
            let own = turn.take_if(|group| group.ended.same_channel(&ended));
            drop(turn);
            if let Some(group) = own {
                // its members hear of it
                let _ = group.commit(true).await;
            }
        });
    }
}

fn savepoint(number: usize) -> String {
    format!("m{number}")
}

impl Group {
    /// Commits, and tells all members. In a transaction that has failed no savepoint can be released: it does not end
    /// quietly with nothing done, as a commit alone would.
    async fn commit(self, company: bool) -> Result<(), DbError> {
        let Self { client, mut writing, ended, flushes: _, members: _ } = self;
        let commit = format!("release savepoint {}; {}", savepoint(0), writing.commit(company));
        let done = client.batch_execute(&commit).await.map_err(|error| db_error(&error));
        if done.is_ok() {
            writing.settled();
        } else {
            drop(Object::take(client));
        }
        ended.send_replace(Some(done.clone()));
        done
    }

    /// Undoes all of it; nobody took part in it but who asks for this.
    async fn roll_back(self) -> Result<(), DbError> {
        let Self { client, writing, flushes, ended: _, members: _ } = self;
        let undone = undo(&client, Some(writing), &flushes).await;
        give_back(client, undone)
    }

    /// What a member did stands from here on, as far as the transaction does.
    fn keep_member(&mut self) -> watch::Receiver<End> {
        self.members += 1;
        self.send(&format!("savepoint {}", savepoint(self.members)));
        self.ended.subscribe()
    }

    fn undo_member(&self) {
        self.send(&format!("rollback to savepoint {}", savepoint(self.members)));
    }

    /// Sends a command whose answer nobody waits for: if it fails, so does all that follows, and the commit.
    fn send(&self, command: &str) {
        let _ = self.client.batch_execute(command).now_or_never();
    }
}

/// Waits for a group's commit, and says what came of it.
async fn end(mut ended: watch::Receiver<End>) -> Result<(), DbError> {
    let lost = || DbError::Lost("the node let go of the transaction before its commit".to_owned());
    let ended = ended.wait_for(Option::is_some).await.map_err(|_| lost())?;
    ended.clone().unwrap_or_else(|| Err(lost()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Every statement did what it should.
    Sound,
    /// One is under way, or failed.
    Busy,
}

/// A change's part of a transaction. Dropped before its commit it undoes what the change did, and nothing else.
pub(super) struct Member {
    /// `Some` until it is finished.
    group: Option<OwnedMutexGuard<Option<Group>>>,
    line: Arc<Line>,
    state: State,
}

impl Member {
    fn client(&self) -> Result<&Object, DbError> {
        let group = self.group.as_ref().and_then(|group| group.as_ref());
        group.map(|group| &group.client).ok_or_else(finished)
    }

    /// Runs statements; after one that failed, or was given up, this part can only be undone.
    async fn run<T>(&mut self, run: impl AsyncFnOnce(&Object) -> Answered<T>) -> Answered<T> {
        if self.state != State::Sound {
            let reason = "a statement of this change failed before".to_owned();
            return (Vec::new(), Err(DbError::Refused(reason)));
        }
        self.state = State::Busy;
        let answered = match self.client() {
            Ok(client) => run(client).await,
            Err(error) => (Vec::new(), Err(error)),
        };
        if answered.1.is_ok() {
            self.state = State::Sound;
        }
        answered
    }
}

#[async_trait]
impl Session for Member {
    async fn query(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<Vec<Row>> {
        self.run(async |client: &Object| match Prepared::new(client, ahead, sql).await {
            Ok(prepared) => prepared.query(ahead, params).await,
            Err(error) => (Vec::new(), Err(error)),
        })
        .await
    }

    async fn execute(&mut self, ahead: &[Statement], sql: &str, params: &[Value]) -> Answered<u64> {
        self.run(async |client: &Object| match Prepared::new(client, ahead, sql).await {
            Ok(prepared) => prepared.execute(ahead, params).await,
            Err(error) => (Vec::new(), Err(error)),
        })
        .await
    }

    async fn add(
        &mut self,
        table: &'static str,
        _columns: &'static [(&'static str, Column)],
        _rows: Rows<'_>,
        _pace: Pace,
    ) -> Result<(), DbError> {
        self.state = State::Busy;
        Err(DbError::Refused(format!("many rows are added to {table} by a transaction of their own")))
    }

    fn is_alone(&self) -> bool {
        let group = self.group.as_ref().and_then(|group| group.as_ref());
        group.is_some_and(|group| group.members == 0 && group.writing.is_alone())
    }

    fn undone(mut self: Box<Self>) -> Option<Box<dyn Session>> {
        self.group.as_ref()?.as_ref()?.undo_member();
        self.state = State::Sound;
        Some(self)
    }

    async fn roll_back(mut self: Box<Self>) -> Result<(), DbError> {
        let mut turn = self.group.take().ok_or_else(finished)?;
        let Some(group) = turn.take() else { return Err(finished()) };
        if group.members == 0 {
            drop(turn);
            return group.roll_back().await;
        }
        group.undo_member();
        // it may have seen what those did who ended before it, and that is durable when all of them are
        let ended = group.ended.subscribe();
        *turn = Some(group);
        drop(turn);
        end(ended).await
    }

    async fn commit(mut self: Box<Self>) -> Result<(), DbError> {
        if self.state != State::Sound {
            return Err(DbError::Refused("a statement of this change failed, so nothing of it stays".to_owned()));
        }
        let mut turn = self.group.take().ok_or_else(finished)?;
        let Some(mut group) = turn.take() else { return Err(finished()) };
        let company = self.line.has_company();
        let first = group.members == 0;
        if (first && !company) || group.members + 1 >= self.line.most {
            drop(turn);
            return group.commit(company).await;
        }
        let ended = group.keep_member();
        if first {
            self.line.close_soon(group.ended.clone());
        }
        *turn = Some(group);
        drop(turn);
        end(ended).await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let Some(mut turn) = self.group.take() else { return };
        match &*turn {
            Some(group) if group.members > 0 => group.undo_member(),
            // nobody else is in it: its connection goes with it, as that of a transaction of its own
            _ => {
                if let Some(group) = turn.take() {
                    drop(Object::take(group.client));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
