//! Panics and aborts under load lose nothing that was acknowledged. On both databases.

use crate::catalog::{on, on_both};
use crate::support::{Backend, Node, manifest, new_topic, op, own_key};
use bib_guardian::{GuardianHandle, VersionState};
use bib_kit::clock;
use bib_kit::faults::Where;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

const WHOLE: VersionState = VersionState { complete: true };
const WRITERS: u64 = 6;
const ROUNDS: u32 = 8;

mod with {
    use super::*;

    on_both!(panics_lose_nothing, aborts_lose_nothing);

    async fn panics_lose_nothing(node: &mut Node) {
        super::under_load(node, |guardian, round| {
            let place =
                [Where::Handler, Where::Spawned, Where::Task, Where::Started, Where::Factory][round as usize % 5];
            let _ = guardian.inject_panic(place);
            if matches!(place, Where::Started | Where::Factory) {
                // these strike at the next start
                let _ = guardian.inject_panic(Where::Handler);
            }
            true
        })
        .await;
    }

    async fn aborts_lose_nothing(node: &mut Node) {
        super::under_load(node, |_, _| false).await;
    }
}

/// Publishes versions one after the other, each until it is acknowledged.
async fn publish_for_ever(
    guardian: GuardianHandle,
    name: String,
    stop: Rc<Cell<bool>>,
    done: Rc<RefCell<Vec<String>>>,
) {
    let mut number = 0;
    while !stop.get() {
        number += 1;
        let (cx, version) = (op(), manifest(&name, number, &[], &own_key()));
        loop {
            match guardian.publish(&cx, version.clone(), WHOLE).await {
                Ok(published) => {
                    assert_eq!(published.version.id, version.id());
                    assert!(published.created, "it was this request that made it");
                    done.borrow_mut().push(format!("{name}@{}", version.id()));
                    break;
                }
                Err(error) if error.is_refusal() => panic!("{name} {number}: {error}"),
                Err(_) if stop.get() => return,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

/// `strike` says whether the actor ends by itself now.
async fn under_load(node: &mut Node, strike: impl Fn(&GuardianHandle, u32) -> bool) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    let (stop, done) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(Vec::new())));
    let writers: Vec<_> = (0..WRITERS)
        .map(|i| {
            let (guardian, stop, done) = (node.guardian.clone(), Rc::clone(&stop), Rc::clone(&done));
            tokio::task::spawn_local(publish_for_ever(guardian, format!("t/d{i}"), stop, done))
        })
        .collect();
    for round in 0..ROUNDS {
        let before = done.borrow().len();
        let begun = clock::monotonic();
        while done.borrow().len() < before + 5 {
            assert!(clock::since(begun) < crate::support::PATIENCE, "the writers do not get on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if strike(&node.guardian, round) {
            node.guard.exited().await;
        } else {
            node.guard.abort().await;
        }
        let mut tries = 0;
        while let Err(report) = node.guard.start().await {
            tries += 1;
            assert!(tries < 3, "{}", report.exit);
        }
    }
    stop.set(true);
    for writer in writers {
        writer.await.unwrap();
    }
    let acknowledged = done.take();
    check(node, &acknowledged).await;
}

async fn check(node: &Node, acknowledged: &[String]) {
    let open = node.audit.unsettled().await.unwrap();
    assert!(open.iter().all(|open| open.intent.action != "dataset.publish"), "each try has its outcome: {open:?}");
    let log = node.records().await;
    for name in acknowledged {
        let (dataset, id) = name.split_once('@').unwrap();
        let found = node.guardian.find_version(&dataset.parse().unwrap(), id).await.unwrap();
        assert!(found.complete);
        assert!(node.guardian.manifest(found.id).await.unwrap().is_some());
        let outcome = log.iter().find(|record| record.object == *name && record.outcome == bib_audit::Outcome::Ok);
        assert!(outcome.is_some(), "{name} was acknowledged and has no durable record");
        let intent = log.iter().find(|record| record.seq == found.audit_seq).expect("its intent is in the log");
        assert_eq!(intent.outcome, bib_audit::Outcome::Intent);
    }
    assert!(acknowledged.len() >= ROUNDS as usize * 5);
}
