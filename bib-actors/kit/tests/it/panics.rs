//! A panic anywhere ends this incarnation, is reported with its text, and harms nobody else.

use crate::subject::{Break, Count, LIMIT, Subject, until};
use bib_kit::{AskError, Child, Cx, Exit, Slot, StartArgs, Where, probe};
use bib_kit::{ChildSpec, Placement};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const EVERYWHERE: [Break; 7] =
    [Break::Handler, Break::Later, Break::Spawned, Break::Then, Break::Timer, Break::Task, Break::Fail];

#[test]
fn a_panic_anywhere_is_seen_with_its_text_and_the_next_incarnation_is_fresh() {
    probe::run(async {
        for place in EVERYWHERE {
            let (subject, mut guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
            assert_eq!(subject.ask(Count, LIMIT).await, Ok(1));
            assert_eq!(subject.ask(Count, LIMIT).await, Ok(2));
            let answer = subject.ask(place, LIMIT).await;
            let in_hand = matches!(place, Break::Handler | Break::Later);
            let unknown = Err(AskError::Unknown { actor: "subject" });
            assert_eq!(answer, if in_hand { unknown } else { Ok(()) }, "{place:?}");
            let report = guard.exited().await;
            let text = report.exit.to_string();
            assert!(text.contains(&format!("broken in {place:?}")), "{text}");
            assert_eq!(matches!(report.exit, Exit::Failed(_)), matches!(place, Break::Fail));
            assert_eq!((report.incarnation, report.stale_work), (1, false));
            assert_eq!(subject.ask(Count, LIMIT).await, Err(AskError::Restarting { actor: "subject" }));
            guard.start().await.unwrap();
            assert_eq!(subject.ask(Count, LIMIT).await, Ok(1), "nothing of the old state is left");
            assert_eq!(subject.incarnation(), 2);
        }
    });
}

#[test]
fn a_panic_in_the_factory_and_in_started_is_seen_too() {
    struct Stillborn;
    impl Child for Stillborn {
        const NAME: &'static str = "stillborn";
        fn started(&mut self, _cx: &mut Cx<'_, Self>) {
            panic!("not even started");
        }
    }
    async fn broken(_args: StartArgs) -> Result<Subject, bib_kit::StartError> {
        panic!("no factory")
    }
    async fn refusing(_args: StartArgs) -> Result<Subject, bib_kit::StartError> {
        Err(std::io::Error::other("the disk is full").into())
    }
    probe::run(async {
        let spec = ChildSpec::new("x", 1).with_placement(Placement::Current);
        let mut guard = probe::Guard::new(Slot::new(spec).child(|_| async { Ok(Stillborn) }));
        let report = guard.start().await.unwrap_err();
        assert!(matches!(&report.exit, Exit::Panicked(text) if text.contains("not even started")));
        let mut guard = probe::Guard::new(Slot::new(spec).child(broken));
        let report = guard.start().await.unwrap_err();
        assert!(matches!(&report.exit, Exit::Panicked(text) if text.contains("no factory")));
        let mut guard = probe::Guard::new(Slot::new(spec).child(refusing));
        assert_eq!(guard.start().await.unwrap_err().exit, Exit::Refused("the disk is full".to_owned()));
        let passing = spec.with_passing(|error| error.is::<std::io::Error>());
        let mut guard = probe::Guard::new(Slot::new(passing).child(refusing));
        assert_eq!(guard.start().await.unwrap_err().exit, Exit::Failed("the disk is full".to_owned()));
    });
}

#[test]
fn injected_faults_strike_where_they_are_told_to() {
    probe::run(async {
        let (subject, mut guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
        for place in [Where::Handler, Where::Spawned, Where::Task] {
            subject.inject_panic(place).unwrap();
            let text = guard.exited().await.exit.to_string();
            assert!(text.contains(&format!("injected panic in {place:?} of subject")), "{text}");
            guard.start().await.unwrap();
        }
        for place in [Where::Started, Where::Factory] {
            subject.inject_panic(place).unwrap();
            assert_eq!(subject.ask(Count, LIMIT).await.map(|_| ()), Ok(()), "the present incarnation lives on");
            guard.abort().await;
            let report = guard.start().await.unwrap_err();
            assert!(report.exit.to_string().contains(&format!("injected panic in {place:?}")));
            guard.start().await.unwrap();
        }
    });
}

#[test]
fn others_on_the_same_thread_keep_answering_while_one_dies_again_and_again() {
    probe::run(async {
        let (healthy, _guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
        let (sick, mut patient) = probe::start(|_| async { Ok(Subject::default()) }).await;
        let load = tokio::task::spawn_local(async move {
            for expected in 1..=5000 {
                assert_eq!(healthy.ask(Count, LIMIT).await, Ok(expected));
            }
        });
        let mut deaths = 0;
        while !load.is_finished() {
            sick.ask(EVERYWHERE[deaths % EVERYWHERE.len()], LIMIT).await.ok();
            patient.exited().await;
            patient.start().await.unwrap();
            deaths += 1;
        }
        load.await.unwrap();
        assert!(deaths > 0);
    });
}

#[test]
fn a_panic_while_the_state_is_dropped_does_not_abort_the_process() {
    struct Mine(Arc<AtomicU64>);
    impl Drop for Mine {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("even dropping fails");
        }
    }
    impl Child for Mine {
        const NAME: &'static str = "mine";
    }
    let dropped = Arc::new(AtomicU64::new(0));
    probe::run(async {
        let counter = Arc::clone(&dropped);
        let (mine, mut guard) = probe::start(move |_| {
            let counter = Arc::clone(&counter);
            async move { Ok(Mine(counter)) }
        })
        .await;
        mine.inject_panic(Where::Handler).unwrap();
        let report = guard.exited().await;
        assert!(matches!(&report.exit, Exit::Panicked(text) if text.contains("injected panic in Handler")));
        guard.start().await.unwrap();
        let report = guard.stop().await;
        assert!(matches!(&report.exit, Exit::Panicked(text) if text.contains("even dropping fails")));
    });
    assert_eq!(dropped.load(Ordering::SeqCst), 2);
}

#[test]
fn the_hooks_of_a_broken_actor_do_not_run() {
    struct Tidy(Arc<AtomicBool>);
    impl Child for Tidy {
        const NAME: &'static str = "tidy";
        fn stopping(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    probe::run(async {
        let tidied = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&tidied);
        let (tidy, mut guard) = probe::start(move |_| {
            let flag = Arc::clone(&flag);
            async move { Ok(Tidy(flag)) }
        })
        .await;
        tidy.inject_panic(Where::Handler).unwrap();
        guard.exited().await;
        assert!(!tidied.load(Ordering::SeqCst), "its state is suspect");
        guard.start().await.unwrap();
        guard.stop().await;
        until(|| tidied.load(Ordering::SeqCst)).await;
    });
}
