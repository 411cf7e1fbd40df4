//! One that does not turn any more is found by its silence and can be aborted as long as its thread turns.

use crate::subject::{Count, LIMIT, Subject};
use bib_kit::{AskError, Exit, FaultError, Slot, StartEnv, Where, probe};
use bib_kit::{ChildSpec, system};
use std::time::Duration;
use tokio::runtime::Handle;

#[test]
fn a_stalled_actor_does_not_answer_pings_and_is_aborted() {
    probe::run(async {
        let (subject, mut guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
        assert!(guard.ping(LIMIT).await);
        subject.inject_panic(Where::Stall).unwrap();
        let brief = Duration::from_millis(50);
        assert_eq!(subject.ask(Count, brief).await, Err(AskError::Timeout { actor: "subject", after: brief }));
        assert!(!guard.ping(brief).await);
        assert_eq!(guard.abort().await.exit, Exit::Aborted);
        guard.start().await.unwrap();
        assert!(guard.ping(LIMIT).await);
        assert_eq!(subject.ask(Count, LIMIT).await, Ok(1));
    });
}

#[test]
fn a_factory_that_never_ends_can_be_stopped_and_aborted() {
    for orderly in [true, false] {
        probe::run(async {
            let spec = ChildSpec::new("subject", 1).with_placement(bib_kit::Placement::Current);
            let mut child = Slot::<Subject>::new(spec).child(|_| std::future::pending());
            let running = child.start(&StartEnv::new(Handle::current()), 1);
            if orderly {
                running.control.stop()
            } else {
                running.control.abort()
            }
            let exit = running.exit.await.unwrap().exit;
            assert_eq!(exit, if orderly { Exit::Stopped } else { Exit::Aborted });
            assert!(running.ready.await.is_err());
        });
    }
}

#[test]
fn faults_need_to_be_enabled() {
    system::run(async {
        let slot = Slot::new(ChildSpec::new("subject", 1));
        let subject = slot.handle();
        let mut child = slot.child(|_| async { Ok(Subject::default()) });
        let _running = child.start(&StartEnv::new(Handle::current()), 1);
        assert!(subject.ready(LIMIT).await);
        for place in [Where::Handler, Where::Started, Where::Block(LIMIT)] {
            assert_eq!(subject.inject_panic(place), Err(FaultError::Disabled { actor: "subject" }));
        }
        assert_eq!(subject.ask(Count, LIMIT).await, Ok(1));
        child.close();
    });
}
