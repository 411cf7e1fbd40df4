//! Appending, listing, exporting and verifying a sound log.

use crate::support::{draft, node, options, start, written};
use bib_audit::format::{CLOCK_RESTARTED, CLOCK_WENT_BACK};
use bib_audit::{AuditDraft, AuditError, AuditOptions, ListFilter, Outcome};
use bib_domain::{OpContext, RequestId, Role, Who};
use bib_kit::probe::run;
use bib_kit::{Event, clock};
use std::time::Duration;

fn page(before_seq: Option<u64>, limit: usize) -> ListFilter {
    ListFilter { before_seq, limit, ..ListFilter::default() }
}

#[test]
fn an_appended_record_says_what_the_draft_said() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        let op = OpContext {
            request_id: RequestId::from_bytes([3; 16]),
            who: Who::User("mara".to_owned()),
            role: Role::Researcher,
            session_hash: Some([9; 32]),
            component: "gateway",
        };
        let draft = AuditDraft::from_op(&op, "dataset.publish", "flights/2013")
            .outcome(Outcome::Failed)
            .rows(17)
            .duration(Duration::from_micros(1_500))
            .fingerprint("insert into dataset_versions")
            .job("job-1")
            .role("bibd_publish")
            .component("guardian")
            .param("title", "secret")
            .metadata("version", "e\u{301}")
            .break_glass();
        let receipt = chain.audit.append(draft).await.unwrap();
        assert_eq!((receipt.epoch, receipt.seq), (1, 1));
        let record = chain.audit.list(ListFilter::default()).await.unwrap().remove(0);
        assert_eq!(record.leaf_hash, receipt.leaf_hash);
        assert_eq!((record.actor.as_str(), record.role.as_str()), ("user:mara", "bibd_publish"));
        assert_eq!((record.action.as_str(), record.object.as_str()), ("dataset.publish", "flights/2013"));
        assert_eq!((record.component.as_str(), record.outcome), ("guardian", Outcome::Failed));
        assert_eq!((record.rows, record.duration_us), (Some(17), 1_500));
        assert_eq!((record.session_hash, record.op_id), (Some([9; 32]), RequestId::from_bytes([3; 16])));
        assert_eq!(record.fingerprint.as_deref(), Some("insert into dataset_versions"));
        assert_eq!(record.job_id.as_deref(), Some("job-1"));
        assert_eq!(record.metadata("version"), Some("\u{e9}"));
        assert_eq!(record.params[0].0, "title");
        assert!(record.break_glass);
        assert_eq!(record.node_id, node());
        assert_eq!(record.clock_flags & CLOCK_RESTARTED, CLOCK_RESTARTED);
        assert_eq!(record.clock_flags & CLOCK_WENT_BACK, 0);
        assert!(record.unix_ns > 1_600_000_000_000_000_000);
    });
}

#[test]
fn records_are_chained_and_salted() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        let receipts = chain.append([5, 5, 5]).await;
        let records = chain.audit.export_since(0, 100).await.unwrap();
        assert_eq!(records[0].prev_hash, [0; 32]);
        for (pair, receipt) in records.windows(2).zip(&receipts) {
            assert_eq!(pair[1].prev_hash, receipt.leaf_hash);
            assert_eq!(pair[1].seq, pair[0].seq + 1);
            assert_ne!(pair[1].salt, pair[0].salt);
            assert!(pair[1].monotonic_ns >= pair[0].monotonic_ns);
        }
    });
}

#[test]
fn pages_lead_from_the_newest_to_the_first() {
    let (_dir, options, receipts) = written(60);
    run(async {
        let chain = start(options.clone()).await;
        let files = std::fs::read_dir(&options.dir).unwrap().count();
        assert!(files > 5, "{files} files: the segments were to be small");
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let records = chain.audit.list(page(before, 7)).await.unwrap();
            assert!(records.len() <= 7);
            let Some(last) = records.last() else { break };
            before = Some(last.seq);
            seen.extend(records.iter().map(|record| (record.seq, record.leaf_hash)));
        }
        let expected: Vec<_> = receipts.iter().rev().map(|receipt| (receipt.seq, receipt.leaf_hash)).collect();
        assert_eq!(seen, expected);
    });
}

#[test]
fn filters_choose_by_action_and_actor() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        for number in 0..40 {
            let mut draft = draft(number);
            draft.action = if number % 4 == 0 { "topic.create" } else { "topic.get" }.to_owned();
            draft.actor = if number % 8 == 0 { "user:ann" } else { "user:ben" }.to_owned();
            chain.audit.append(draft).await.unwrap();
        }
        let by = |action: Option<&str>, actor: Option<&str>| ListFilter {
            action_prefix: action.map(str::to_owned),
            actor: actor.map(str::to_owned),
            ..page(None, 100)
        };
        assert_eq!(chain.audit.list(by(Some("topic."), None)).await.unwrap().len(), 40);
        assert_eq!(chain.audit.list(by(Some("topic.c"), None)).await.unwrap().len(), 10);
        assert_eq!(chain.audit.list(by(Some("topic.c"), Some("user:ben"))).await.unwrap().len(), 5);
        assert_eq!(chain.audit.list(by(None, Some("user:ann"))).await.unwrap().len(), 5);
        assert_eq!(chain.audit.list(by(Some("dataset."), None)).await.unwrap(), []);
    });
}

#[test]
fn a_search_gives_up_and_says_where_to_go_on() {
    let (_dir, options, _) = written(50);
    let options = AuditOptions { scan_max_records: 20, ..options };
    run(async {
        let chain = start(options).await;
        let mut filter = ListFilter { action_prefix: Some("nothing".to_owned()), ..page(None, 10) };
        let mut rounds = 0;
        loop {
            match chain.audit.list(filter.clone()).await {
                Err(AuditError::NothingFound { scanned, next, .. }) => {
                    assert!(scanned >= 20);
                    filter.before_seq = Some(next);
                    rounds += 1;
                }
                Ok(records) => break assert_eq!(records, []),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(rounds, 2);
    });
}

#[test]
fn exports_go_forward_from_any_position() {
    let (_dir, options, receipts) = written(60);
    run(async {
        let chain = start(options).await;
        for from in [0, 1, 13, 59, 60, 61, 1_000] {
            let records = chain.audit.export_since(from, 1_000).await.unwrap();
            let seqs: Vec<_> = records.iter().map(|record| record.seq).collect();
            assert_eq!(seqs, (from + 1..=60).collect::<Vec<_>>());
        }
        let (mut at, mut seen) = (0, Vec::new());
        loop {
            let records = chain.audit.export_since(at, 7).await.unwrap();
            let Some(last) = records.last() else { break };
            at = last.seq;
            seen.extend(records.iter().map(|record| record.leaf_hash));
            if at == 35 {
                chain.append([61]).await;
            }
        }
        assert_eq!(seen[..60], receipts.iter().map(|receipt| receipt.leaf_hash).collect::<Vec<_>>());
        assert_eq!(seen.len(), 61);
        chain.append([62]).await;
        assert_eq!(chain.audit.export_since(61, 10).await.unwrap()[0].seq, 62);
    });
}

#[test]
fn the_log_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    for round in 0..4_u64 {
        run(async {
            let mut chain = start(options.clone()).await;
            assert_eq!(chain.audit.head().await.unwrap().seq, round * 15);
            chain.append(0..15).await;
            let head = chain.audit.head().await.unwrap();
            let verdict = chain.audit.verify().await.unwrap();
            assert!(verdict.ok, "{verdict:?}");
            assert_eq!((verdict.records, verdict.head, verdict.witnesses), (head.seq, head, 0));
            let first = &chain.audit.export_since(round * 15, 1).await.unwrap()[0];
            assert_eq!(first.clock_flags & CLOCK_RESTARTED, CLOCK_RESTARTED);
            assert!(!chain.guard.stop().await.exit.is_failure());
        });
    }
}

#[test]
fn an_empty_log_is_good() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        let verdict = chain.audit.verify().await.unwrap();
        assert!(verdict.ok && verdict.records == 0, "{verdict:?}");
        assert_eq!(chain.audit.list(ListFilter::default()).await.unwrap(), []);
        assert_eq!(chain.audit.export_since(0, 10).await.unwrap(), []);
        assert_eq!(chain.audit.head().await.unwrap().seq, 0);
    });
}

#[test]
fn events_follow_the_log() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        let mut events = chain.topic.subscribe();
        let receipts = chain.append(0..20).await;
        let mut seen = Vec::new();
        while seen.len() < receipts.len() {
            match events.recv().await {
                Event::Item(event) => seen.extend(event.records.iter().map(|record| record.leaf_hash)),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seen, receipts.iter().map(|receipt| receipt.leaf_hash).collect::<Vec<_>>());
        let exported = chain.audit.export_since(0, 100).await.unwrap();
        assert_eq!(seen, exported.iter().map(|record| record.leaf_hash).collect::<Vec<_>>());
    });
}

#[test]
fn long_drafts_are_cut_and_never_refused() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let chain = start(options(dir.path())).await;
        let long = "\u{1F9EC}".repeat(100_000);
        let mut draft = draft(1).fingerprint(long.clone()).job(long.clone()).role(long.clone()).component(long.clone());
        (draft.actor, draft.action, draft.object) = (long.clone(), long.clone(), long.clone());
        for _ in 0..1_000 {
            draft = draft.param(long.clone(), "v").metadata(long.clone(), long.clone());
        }
        chain.audit.append(draft).await.unwrap();
        let record = chain.audit.list(ListFilter::default()).await.unwrap().remove(0);
        assert!(record.encode().len() <= 65_535);
        assert!(record.object.ends_with("[cut: 400000 bytes in all]"), "{}", record.object);
        assert_eq!(record.metadata.last().unwrap().1, "1001 pairs in all");
        assert_eq!(record.params.last().unwrap().0, "[cut]");
        assert!(chain.audit.verify().await.unwrap().ok);
    });
}

#[test]
fn the_time_that_has_passed_outlives_the_process() {
    let (_dir, options, _) = written(3);
    let path = options.dir.join("passed");
    let kept = || -> i64 {
        let text = std::fs::read_to_string(&path).unwrap();
        text.strip_prefix("BIB-PASSED/1\nunix_ms ").unwrap().trim_end().parse().unwrap()
    };
    assert!(kept() > 1_600_000_000_000 && kept() <= clock::passed_ms());
    // as if the clock had been set back by an hour while nothing ran
    let ahead = clock::deadline_ms() + 3_600_000;
    std::fs::write(&path, format!("BIB-PASSED/1\nunix_ms {ahead}\n")).unwrap();
    run(async {
        let mut chain = start(options.clone()).await;
        assert!(clock::deadline_ms() >= ahead);
        chain.guard.stop().await;
    });
    assert!(kept() >= ahead, "a start without a record hands it on");
    // and as if it had been wrong by a century
    std::fs::write(&path, format!("BIB-PASSED/1\nunix_ms {}\n", ahead * 3)).unwrap();
    run(async { drop(start(options).await) });
    assert!(clock::deadline_ms() < ahead * 2);
}
