//! An orderly end: what is in the mailbox is handled, what is owed is given, then the actor's own farewell runs.

use crate::subject::{Count, LIMIT, Subject, Wait, until};
use bib_kit::{AskError, Child, Cx, Exit, Handles, Message, Promise, Reply, probe};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Semaphore;

#[derive(Default, Clone)]
struct Diary(Arc<Mutex<Vec<&'static str>>>);

struct Orderly {
    diary: Diary,
    owed: Option<Promise<&'static str>>,
}

struct Note(&'static str);
struct Owe;

impl Message for Note {
    type Reply = ();
}

impl Message for Owe {
    type Reply = &'static str;
}

impl Child for Orderly {
    const NAME: &'static str = "orderly";

    fn shutdown(&mut self, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        self.diary.0.lock().push("told");
        if let Some(promise) = self.owed.take() {
            promise.keep("kept at the end");
        }
        let diary = self.diary.clone();
        Reply::later(async move {
            tokio::task::yield_now().await;
            diary.0.lock().push("farewell");
        })
    }

    fn stopping(&mut self) {
        self.diary.0.lock().push("stopping");
    }
}

impl Handles<Note> for Orderly {
    fn handle(&mut self, Note(text): Note, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        self.diary.0.lock().push(text);
        Reply::now(())
    }
}

impl Handles<Owe> for Orderly {
    fn handle(&mut self, _msg: Owe, _cx: &mut Cx<'_, Self>) -> Reply<&'static str> {
        let (promise, reply) = Reply::promise();
        self.owed = Some(promise);
        reply
    }
}

#[test]
fn the_order_of_an_orderly_end() {
    probe::run(async {
        let diary = Diary::default();
        let kept = diary.clone();
        let (orderly, mut guard) = probe::start(move |_| {
            let diary = kept.clone();
            async move { Ok(Orderly { diary, owed: None }) }
        })
        .await;
        let asker = orderly.clone();
        let owed = tokio::task::spawn_local(async move { asker.ask(Owe, LIMIT).await });
        until(|| orderly.mailbox_used() == 1).await;
        tokio::task::yield_now().await;
        orderly.tell(Note("first")).unwrap();
        orderly.tell(Note("second")).unwrap();
        let report = guard.stop().await;
        assert_eq!(report.exit, Exit::Stopped);
        assert_eq!(owed.await.unwrap(), Ok("kept at the end"));
        assert_eq!(orderly.tell(Note("late")), Err(AskError::Restarting { actor: "orderly" }));
        let mut diary = diary.0.lock().clone();
        let told = diary.iter().position(|line| *line == "told").unwrap();
        diary.remove(told);
        assert_eq!(diary, ["first", "second", "farewell", "stopping"]);
    });
}

#[test]
fn an_owed_reply_is_waited_for() {
    probe::run(async {
        let (subject, mut guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
        let gate = Arc::new(Semaphore::new(0));
        let (asker, closed) = (subject.clone(), Arc::clone(&gate));
        let owed = tokio::task::spawn_local(async move { asker.ask(Wait(closed), LIMIT).await });
        until(|| subject.mailbox_used() == 1).await;
        let stopping = tokio::task::spawn_local(async move { guard.stop().await });
        until(|| subject.incarnation() == 0).await;
        assert!(!stopping.is_finished());
        assert_eq!(subject.ask(Count, LIMIT).await, Err(AskError::Restarting { actor: "subject" }));
        gate.add_permits(1);
        assert_eq!(owed.await.unwrap(), Ok(()));
        assert_eq!(stopping.await.unwrap().exit, Exit::Stopped);
    });
}

#[test]
fn a_promise_that_is_dropped_leaves_the_outcome_unknown() {
    struct Forgetful;
    impl Child for Forgetful {
        const NAME: &'static str = "forgetful";
    }
    impl Handles<Owe> for Forgetful {
        fn handle(&mut self, _msg: Owe, _cx: &mut Cx<'_, Self>) -> Reply<&'static str> {
            Reply::promise().1
        }
    }
    probe::run(async {
        let (forgetful, _guard) = probe::start(|_| async { Ok(Forgetful) }).await;
        assert_eq!(forgetful.ask(Owe, LIMIT).await, Err(AskError::Unknown { actor: "forgetful" }));
    });
}
