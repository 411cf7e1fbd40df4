//! The actor killed under load, in every place where it can be: nothing that was acknowledged is lost.

use crate::support::{Chain, build, draft, options, start};
use bib_audit::{AuditError, DiskFs, Receipt};
use bib_kit::faults::Where;
use bib_kit::probe::run;
use futures::future::{join, join_all};
use std::sync::Arc;
use std::time::Duration;

/// Appends from many callers until told to stop; each tries again while the actor restarts.
async fn load(chain: &bib_audit::AuditHandle, rounds: u64) -> Vec<Receipt> {
    let callers = (0..16_u64).map(|caller| async move {
        let mut receipts = Vec::new();
        for turn in 0..rounds {
            match chain.append(draft(caller * 10_000 + turn)).await {
                Ok(receipt) => receipts.push(receipt),
                Err(AuditError::Ask(_)) => {
                    chain.ready(Duration::from_secs(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        receipts
    });
    join_all(callers).await.concat()
}

async fn check(chain: &Chain, receipts: &[Receipt], place: Where) {
    let verdict = chain.audit.verify().await.unwrap();
    assert!(verdict.ok, "{place:?}: {verdict:?}");
    let mut records = Vec::new();
    loop {
        let page = chain.audit.export_since(records.len() as u64, 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        records.extend(page);
    }
    for receipt in receipts {
        let found = usize::try_from(receipt.seq - 1).ok().and_then(|at| records.get(at));
        assert_eq!(found.map(|record| record.leaf_hash), Some(receipt.leaf_hash), "{place:?}: record {}", receipt.seq);
    }
}

#[test]
fn a_panic_under_load_loses_nothing_acknowledged() {
    for place in [Where::Handler, Where::Spawned, Where::Task] {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let mut chain = start(options(dir.path())).await;
            let audit = chain.audit.clone();
            let kill = async {
                for _ in 0..4 {
                    let begun = audit.head().await.unwrap().seq;
                    while audit.head().await.unwrap().seq < begun + 20 {
                        tokio::task::yield_now().await;
                    }
                    audit.inject_panic(place).unwrap();
                    let report = chain.guard.exited().await;
                    assert!(report.exit.is_failure() && !report.stale_work, "{report:?}");
                    chain.guard.start().await.unwrap();
                }
            };
            let (receipts, ()) = join(load(&audit, 60), kill).await;
            assert!(receipts.len() > 500, "{place:?}: only {} answers", receipts.len());
            check(&chain, &receipts, place).await;
        });
    }
}

#[test]
fn an_abort_under_load_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let mut chain = start(options(dir.path())).await;
        let audit = chain.audit.clone();
        let kill = async {
            for _ in 0..4 {
                let begun = audit.head().await.unwrap().seq;
                while audit.head().await.unwrap().seq < begun + 20 {
                    tokio::task::yield_now().await;
                }
                chain.guard.abort().await;
                chain.guard.start().await.unwrap();
            }
        };
        let (receipts, ()) = join(load(&audit, 60), kill).await;
        check(&chain, &receipts, Where::Stall).await;
    });
}

#[test]
fn a_panic_at_the_start_is_followed_by_a_sound_log() {
    for place in [Where::Factory, Where::Started] {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let mut chain = start(options(dir.path())).await;
            let receipts = chain.append(0..10).await;
            chain.audit.inject_panic(place).unwrap();
            chain.guard.stop().await;
            assert!(chain.guard.start().await.is_err(), "{place:?} did not fail");
            chain.guard.start().await.unwrap();
            check(&chain, &receipts, place).await;
        });
    }
}

#[test]
fn records_that_were_taken_are_written_before_an_orderly_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.buffer_delay = Duration::from_secs(600);
    run(async {
        let mut chain = start(options.clone()).await;
        for number in 0..50 {
            chain.audit.append_buffered(draft(number)).await.unwrap();
        }
        assert!(!chain.guard.stop().await.exit.is_failure());
        chain.guard.start().await.unwrap();
        assert_eq!(chain.audit.head().await.unwrap().seq, 50);
        for number in 50..90 {
            chain.audit.append_buffered(draft(number)).await.unwrap();
        }
        chain.audit.inject_panic(Where::Handler).unwrap();
        assert!(chain.guard.exited().await.exit.is_failure());
        chain.guard.start().await.unwrap();
        assert_eq!(chain.audit.head().await.unwrap().seq, 90, "buffered records were lost with the actor");
    });
}

#[test]
fn two_writers_on_one_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.lock_wait = Duration::from_millis(50);
    run(async {
        let first = start(options.clone()).await;
        let mut second = build(options, Arc::new(DiskFs));
        let report = second.guard.start().await.unwrap_err();
        assert!(report.exit.to_string().contains("in use by another process"), "{}", report.exit);
        first.append([1]).await;
    });
}
