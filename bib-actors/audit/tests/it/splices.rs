//! Segment files with bytes taken out, put in, repeated and overwritten at random: found every time, and never a panic.

use crate::files::paths;
use crate::support::{start_fast, written};
use bib_audit::{AuditError, ListFilter};
use bib_kit::probe::run;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// What is done to a file.
#[derive(Debug, Clone)]
enum Splice {
    Remove,
    Repeat,
    Truncate,
    Insert(Vec<u8>),
    Overwrite(Vec<u8>),
}

fn splice() -> impl Strategy<Value = (Splice, Index, Index, Index)> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..80);
    let kind = prop_oneof![
        Just(Splice::Remove),
        Just(Splice::Repeat),
        Just(Splice::Truncate),
        bytes().prop_map(Splice::Insert),
        bytes().prop_map(Splice::Overwrite),
    ];
    (kind, any::<Index>(), any::<Index>(), any::<Index>())
}

impl Splice {
    fn apply(&self, sound: &[u8], (a, b): (usize, usize)) -> Vec<u8> {
        let (from, to) = (a.min(b), a.max(b));
        let mut bytes = sound.to_vec();
        match self {
            Self::Remove => drop(bytes.drain(from..to)),
            Self::Repeat => drop(bytes.splice(to..to, sound[from..to].iter().copied())),
            Self::Truncate => bytes.truncate(from),
            Self::Insert(more) => drop(bytes.splice(from..from, more.iter().copied())),
            Self::Overwrite(more) => {
                let end = (from + more.len()).min(bytes.len());
                bytes[from..end].copy_from_slice(&more[..end - from]);
            }
        }
        bytes
    }
}

#[test]
fn any_splice_is_found() {
    let (_dir, options, _) = written(40);
    let mut runner = TestRunner::deterministic();
    run(async {
        let chain = start_fast(options.clone()).await;
        let paths = paths(&options.dir);
        let mut found = 0;
        while found < 400 {
            let (splice, which, a, b) = splice().new_tree(&mut runner).unwrap().current();
            let path = which.get(&paths);
            let sound = std::fs::read(path).unwrap();
            let bytes = splice.apply(&sound, (a.index(sound.len() + 1), b.index(sound.len() + 1)));
            // What follows the durable part of the last segment may be a block that is just being written.
            let unchanged = bytes == sound || (Some(path) == paths.last() && bytes.starts_with(&sound));
            if unchanged {
                continue;
            }
            std::fs::write(path, &bytes).unwrap();
            let verdict = chain.audit.verify().await.unwrap();
            assert!(!verdict.ok, "{splice:?} in {} was not found", path.display());
            for outcome in [chain.audit.list(ListFilter::default()).await, chain.audit.export_since(0, 100).await] {
                // A page may miss the hurt place, but what it shows is in order.
                match outcome {
                    Ok(records) => assert!(records.windows(2).all(|pair| pair[0].seq.abs_diff(pair[1].seq) == 1)),
                    Err(error) => {
                        assert!(matches!(error, AuditError::Damaged { .. } | AuditError::Io { .. }), "{error}")
                    }
                }
            }
            std::fs::write(path, sound).unwrap();
            found += 1;
        }
        assert!(chain.audit.verify().await.unwrap().ok);
    });
}

#[test]
fn any_splice_of_the_last_segment_is_refused_or_cut_at_a_start() {
    let (_dir, options, receipts) = written(8);
    let mut runner = TestRunner::deterministic();
    let path = paths(&options.dir).pop().unwrap();
    let before = paths(&options.dir).len();
    let sound = std::fs::read(&path).unwrap();
    let mark = std::fs::read(options.dir.join("mark")).unwrap();
    for case in 0..150 {
        let (splice, _, a, b) = splice().new_tree(&mut runner).unwrap().current();
        let bytes = splice.apply(&sound, (a.index(sound.len() + 1), b.index(sound.len() + 1)));
        std::fs::write(&path, &bytes).unwrap();
        std::fs::write(options.dir.join("mark"), &mark).unwrap();
        run(async {
            let mut chain = crate::support::build(options.clone(), std::sync::Arc::new(bib_audit::DiskFs));
            if chain.guard.start().await.is_ok() {
                // Only what does not touch a record is let through: the mark vouches for all of them.
                let records = chain.audit.export_since(0, 100).await.unwrap();
                for receipt in &receipts {
                    let at = usize::try_from(receipt.seq - 1).unwrap();
                    assert_eq!(records[at].leaf_hash, receipt.leaf_hash, "case {case}: {splice:?}");
                }
                assert!(chain.audit.verify().await.unwrap().ok);
            }
        });
        paths(&options.dir).iter().skip(before).for_each(|path| std::fs::remove_file(path).unwrap());
    }
}
