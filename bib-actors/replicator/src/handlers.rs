//! What the actor does with each message: thin, and never waiting in its own task for another message.

use crate::actor::Replicator;
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::fetch;
use crate::messages::{
    Catalogs, CreateInvite, Demand, Find, Forget, Heal, Join, ListDatasets, ListTopics, ListVersions, Repair, SyncNow,
    Transfers,
};
use crate::pairing;
use crate::shared::Shared;
use bib_kit::{Cx, Handles, Message, Reply};
use std::sync::Arc;
use tokio::sync::oneshot;

impl Replicator {
    /// Asks the driver.
    fn ask_driver<T: 'static>(
        &self,
        note: impl FnOnce(oneshot::Sender<T>) -> Note,
    ) -> Reply<Result<T, ReplicatorError>> {
        let (reply, answer) = oneshot::channel();
        let (notes, note) = (self.notes.clone(), note(reply));
        Reply::later(async move {
            notes.send(note).await.map_err(|_| ReplicatorError::Stopped)?;
            answer.await.map_err(|_| ReplicatorError::Stopped)
        })
    }
}

impl Replicator {
    /// Has a task of this incarnation work for the asker: what it moves is none of the actor's own time.
    fn have_done<T, F>(
        &self,
        name: &'static str,
        work: impl FnOnce(Arc<Shared>) -> F,
    ) -> Reply<Result<T, ReplicatorError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ReplicatorError>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = work(Arc::clone(&self.shared));
        // one that was not started drops the reply
        self.shared.spawn(name, async move {
            let _ = reply.send(work.await);
        });
        Reply::later(async move { answer.await.map_err(|_| ReplicatorError::Stopped)? })
    }
}

impl Handles<Find> for Replicator {
    fn handle(&mut self, msg: Find, _cx: &mut Cx<'_, Self>) -> Reply<<Find as Message>::Reply> {
        self.have_done("find", |shared| async move { fetch::find(&shared, &msg.dataset, &msg.selector).await })
    }
}

impl Handles<ListTopics> for Replicator {
    fn handle(&mut self, msg: ListTopics, _cx: &mut Cx<'_, Self>) -> Reply<<ListTopics as Message>::Reply> {
        self.have_done("list", |shared| async move { fetch::topics(&shared, msg.name, msg.after, msg.limit).await })
    }
}

impl Handles<ListDatasets> for Replicator {
    fn handle(&mut self, msg: ListDatasets, _cx: &mut Cx<'_, Self>) -> Reply<<ListDatasets as Message>::Reply> {
        self.have_done("list", |shared| async move { fetch::datasets(&shared, msg.topic, msg.after, msg.limit).await })
    }
}

impl Handles<ListVersions> for Replicator {
    fn handle(&mut self, msg: ListVersions, _cx: &mut Cx<'_, Self>) -> Reply<<ListVersions as Message>::Reply> {
        self.have_done("list", |shared| async move { fetch::versions(&shared, &msg.dataset).await })
    }
}

impl Handles<Demand> for Replicator {
    fn handle(&mut self, msg: Demand, _cx: &mut Cx<'_, Self>) -> Reply<<Demand as Message>::Reply> {
        self.have_done("demand", |shared| async move { fetch::demand(&shared, msg).await })
    }
}

impl Handles<CreateInvite> for Replicator {
    fn handle(&mut self, msg: CreateInvite, _cx: &mut Cx<'_, Self>) -> Reply<<CreateInvite as Message>::Reply> {
        let shared = Arc::clone(&self.shared);
        Reply::later(async move { pairing::create(&shared, &msg.op, msg.ttl).await })
    }
}

impl Handles<Join> for Replicator {
    fn handle(&mut self, msg: Join, _cx: &mut Cx<'_, Self>) -> Reply<<Join as Message>::Reply> {
        let shared = Arc::clone(&self.shared);
        Reply::later(async move { pairing::join(&shared, &msg.op, &msg.ticket, msg.base).await })
    }
}

impl Handles<Forget> for Replicator {
    fn handle(&mut self, msg: Forget, _cx: &mut Cx<'_, Self>) -> Reply<<Forget as Message>::Reply> {
        let shared = Arc::clone(&self.shared);
        Reply::later(async move { shared.forget(&msg.op, &msg.peer).await })
    }
}

impl Handles<Transfers> for Replicator {
    fn handle(&mut self, _msg: Transfers, _cx: &mut Cx<'_, Self>) -> Reply<<Transfers as Message>::Reply> {
        self.ask_driver(Note::Show)
    }
}

impl Handles<Catalogs> for Replicator {
    fn handle(&mut self, _msg: Catalogs, _cx: &mut Cx<'_, Self>) -> Reply<<Catalogs as Message>::Reply> {
        self.ask_driver(Note::Catalogs)
    }
}

impl Handles<SyncNow> for Replicator {
    fn handle(&mut self, _msg: SyncNow, _cx: &mut Cx<'_, Self>) -> Reply<<SyncNow as Message>::Reply> {
        self.ask_driver(Note::SyncNow)
    }
}

impl Handles<Heal> for Replicator {
    fn handle(&mut self, msg: Heal, _cx: &mut Cx<'_, Self>) -> Reply<<Heal as Message>::Reply> {
        self.ask_driver(|reply| Note::Heal { chunks: msg.chunks, reply })
    }
}

impl Handles<Repair> for Replicator {
    fn handle(&mut self, msg: Repair, _cx: &mut Cx<'_, Self>) -> Reply<<Repair as Message>::Reply> {
        let notes = self.notes.clone();
        Reply::later(async move { notes.send(Note::Damaged(msg.chunks)).await.map_err(|_| ReplicatorError::Stopped) })
    }
}
