//! Intents that have no outcome: known while the log is open, and to the next start.

use crate::support::{Chain, build, draft, options, start};
use bib_audit::{AuditDraft, AuditOptions, DiskFs, Outcome};
use bib_kit::probe::run;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

fn intent(number: u64) -> AuditDraft {
    draft(number).outcome(Outcome::Intent)
}

async fn open(chain: &Chain) -> Vec<(u64, bool)> {
    let found = chain.audit.unsettled().await.unwrap();
    assert!(found.iter().all(|open| open.intent.outcome == Outcome::Intent));
    found.into_iter().map(|open| (open.intent.rows.unwrap(), open.left_over)).collect()
}

/// The log as a crash of the machine leaves it now, opened elsewhere.
async fn crash(mut chain: Chain, options: &mut AuditOptions) -> Chain {
    let mut copy = options.dir.clone().into_os_string();
    copy.push("-crashed");
    let copy = PathBuf::from(copy);
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&options.dir).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    chain.guard.abort().await;
    options.dir = copy;
    start(options.clone()).await
}

#[test]
fn an_intent_is_open_until_its_outcome_is_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        assert_eq!(open(&chain).await, []);
        chain.audit.append(intent(1)).await.unwrap();
        chain.audit.append_buffered(intent(2)).await.unwrap();
        assert_eq!(open(&chain).await, [(1, false), (2, false)], "what is on its way is waited for");
        let pending = chain.audit.append_soon(draft(1)).await.unwrap();
        assert_eq!(open(&chain).await, [(2, false)]);
        let receipt = pending.durable().await.unwrap();
        assert_eq!(chain.audit.head().await.unwrap().seq, receipt.seq);
        chain.audit.append(draft(2).outcome(Outcome::Refused)).await.unwrap();
        assert_eq!(open(&chain).await, []);
    });
}

#[test]
fn a_start_knows_what_a_crash_left_open() {
    let dir = tempfile::tempdir().unwrap();
    // the mark is renewed by an orderly end only: both what it carries and what comes after it count
    let mut options = options(dir.path());
    run(async {
        let mut chain = start(options.clone()).await;
        for number in 1..=3 {
            chain.audit.append(intent(number)).await.unwrap();
        }
        chain.audit.append(draft(2)).await.unwrap();
        chain.guard.stop().await;

        let chain = start(options.clone()).await;
        assert_eq!(open(&chain).await, [(1, true), (3, true)]);
        chain.audit.append(draft(3)).await.unwrap();
        chain.audit.append(intent(4)).await.unwrap();
        assert_eq!(open(&chain).await, [(1, true), (4, false)]);
        let chain = crash(chain, &mut options).await;
        assert_eq!(open(&chain).await, [(1, true), (4, true)]);

        // several segments later, all of them after the mark
        let segments = || std::fs::read_dir(&options.dir).unwrap().count();
        let before = segments();
        chain.append(100..160).await;
        chain.audit.append(draft(4)).await.unwrap();
        chain.audit.append(intent(5)).await.unwrap();
        chain.append(160..220).await;
        assert!(segments() > before + 3);
        let chain = crash(chain, &mut options).await;
        assert_eq!(open(&chain).await, [(1, true), (5, true)]);
        chain.audit.append(draft(1).outcome(Outcome::Failed)).await.unwrap();
        chain.audit.append(draft(5)).await.unwrap();
        let chain = crash(chain, &mut options).await;
        assert_eq!(open(&chain).await, []);
        assert!(chain.audit.verify().await.unwrap().ok);
    });
}

#[test]
fn without_a_mark_the_last_segment_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    run(async {
        let chain = start(options.clone()).await;
        chain.audit.append(intent(1)).await.unwrap();
        chain.audit.append(intent(2)).await.unwrap();
        chain.audit.append(draft(1)).await.unwrap();
        let chain = crash(chain, &mut options).await;
        assert!(!options.dir.join("mark").exists());
        assert_eq!(open(&chain).await, [(2, true)]);
    });
}

#[test]
fn the_number_of_open_intents_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    options.unsettled_max = 5;
    options.mark_interval = Duration::ZERO;
    run(async {
        let mut chain = build(options.clone(), Arc::new(DiskFs));
        chain.guard.start().await.unwrap();
        for number in 1..=9 {
            chain.audit.append(intent(number)).await.unwrap();
        }
        assert_eq!(open(&chain).await.iter().map(|open| open.0).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
        let chain = crash(chain, &mut options).await;
        assert_eq!(open(&chain).await.len(), 5);
    });
}
