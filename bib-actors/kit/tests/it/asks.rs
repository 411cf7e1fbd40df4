//! Every ask ends in an answer or in the error that tells what may have happened.

use crate::subject::{Break, Count, LIMIT, Subject, Wait, until};
use bib_kit::{AskError, ChildSpec, Slot, probe};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

const ACTOR: &str = "subject";

fn gate() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

#[test]
fn one_that_is_not_there_yet_is_restarting() {
    probe::run(async {
        let slot = Slot::<Subject>::new(ChildSpec::new(ACTOR, 1));
        let subject = slot.handle();
        assert_eq!(subject.ask(Count, LIMIT).await, Err(AskError::Restarting { actor: ACTOR }));
        assert_eq!(subject.tell(Count), Err(AskError::Restarting { actor: ACTOR }));
        assert_eq!(subject.mailbox_used(), 0, "a refused message holds no place");
    });
}

#[test]
fn the_mailbox_is_bounded_from_the_ask_to_the_reply() {
    probe::run(async {
        let spec = ChildSpec::new(ACTOR, 1).with_mailbox(3);
        let (subject, _guard) = probe::start_with(spec, |_| async { Ok(Subject::default()) }).await;
        let gate = gate();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let (subject, gate) = (subject.clone(), Arc::clone(&gate));
                tokio::task::spawn_local(async move { subject.ask(Wait(gate), LIMIT).await })
            })
            .collect();
        until(|| subject.mailbox_used() == 3).await;
        let overloaded = AskError::Overloaded { actor: ACTOR, capacity: 3 };
        assert_eq!(subject.ask(Count, LIMIT).await, Err(overloaded.clone()));
        assert_eq!(subject.tell(Count), Err(overloaded.clone()));
        let brief = Duration::from_millis(20);
        assert_eq!(subject.ask_patiently(Count, brief).await, Err(overloaded));
        let patient = tokio::task::spawn_local({
            let subject = subject.clone();
            async move { subject.ask_patiently(Count, LIMIT).await }
        });
        gate.add_permits(3);
        for answer in waiting {
            assert_eq!(answer.await.unwrap(), Ok(()));
        }
        assert_eq!(patient.await.unwrap(), Ok(1));
        assert_eq!(subject.mailbox_used(), 0);
    });
}

#[test]
fn whoever_has_its_answer_may_ask_again_at_once() {
    probe::run(async {
        let spec = ChildSpec::new(ACTOR, 1).with_mailbox(1);
        let (subject, _guard) = probe::start_with(spec, |_| async { Ok(Subject::default()) }).await;
        for expected in 1..=1000 {
            assert_eq!(subject.ask(Count, LIMIT).await, Ok(expected));
        }
    });
}

#[test]
fn an_ask_in_hand_is_unknown_and_one_behind_it_was_not_delivered() {
    probe::run(async {
        let (subject, mut guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
        let (first, second) = tokio::join!(subject.ask(Break::Handler, LIMIT), subject.ask(Count, LIMIT));
        assert_eq!(first, Err(AskError::Unknown { actor: ACTOR }));
        assert_eq!(second, Err(AskError::NotDelivered { actor: ACTOR }));
        assert!(second.unwrap_err().nothing_was_done());
        assert!(!first.unwrap_err().nothing_was_done());
        guard.exited().await;
        assert_eq!(subject.mailbox_used(), 0, "the dead hold no places");
    });
}

#[test]
fn a_late_answer_is_a_timeout_and_a_message_that_nobody_waits_for_is_not_looked_at() {
    probe::run(async {
        let (subject, _guard) = probe::start(|_| async { Ok(Subject::default()) }).await;
        let gate = gate();
        let brief = Duration::from_millis(10);
        let late = subject.ask(Wait(Arc::clone(&gate)), brief).await;
        assert_eq!(late, Err(AskError::Timeout { actor: ACTOR, after: brief }));
        gate.add_permits(1);
        until(|| subject.mailbox_used() == 0).await;

        let given_up = subject.ask(Count, LIMIT);
        let mut given_up = Box::pin(given_up);
        assert!(futures::poll!(&mut given_up).is_pending(), "it is in the mailbox");
        drop(given_up);
        assert_eq!(subject.ask(Count, LIMIT).await, Ok(1), "the first count was taken back");
    });
}
