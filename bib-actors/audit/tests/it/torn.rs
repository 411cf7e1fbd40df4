//! The end of the log after a crash: what may be cut off, what may not, and what is said about it.

use crate::files::{load, paths};
use crate::support::{refusal, start_fast, written};
use bib_audit::AuditOptions;
use bib_kit::probe::run;

/// A log whose last block nobody has an answer for: the mark is older.
fn without_mark(count: u64) -> (tempfile::TempDir, AuditOptions) {
    let (dir, options, _) = written(count);
    std::fs::remove_file(options.dir.join("mark")).unwrap();
    (dir, options)
}

#[test]
fn a_last_block_torn_anywhere_is_cut_off_and_noted() {
    let (_dir, options) = without_mark(6);
    let path = paths(&options.dir).pop().unwrap();
    let sound = std::fs::read(&path).unwrap();
    let mut whole = load(&options.dir).pop().unwrap();
    whole.blocks.pop();
    whole.store();
    let before = std::fs::read(&path).unwrap().len();
    for len in before + 1..sound.len() {
        std::fs::write(&path, &sound[..len]).unwrap();
        paths(&options.dir)
            .iter()
            .filter(|other| **other > path)
            .for_each(|other| std::fs::remove_file(other).unwrap());
        let _ = std::fs::remove_file(options.dir.join("mark"));
        run(async {
            let chain = start_fast(options.clone()).await;
            let records = chain.audit.export_since(0, 100).await.unwrap();
            let note = records.last().unwrap();
            assert_eq!((records.len(), note.action.as_str()), (6, "audit.cut"), "cut at {len}");
            assert_eq!(note.metadata("after_seq"), Some("5"));
            // zeros at the end may be room that was reserved
            let torn = sound[before..len].iter().rposition(|byte| *byte != 0).unwrap() + 1;
            assert_eq!(note.metadata("bytes"), Some(torn.to_string().as_str()));
            assert!(chain.audit.verify().await.unwrap().ok);
            chain.append([7]).await;
        });
    }
}

#[test]
fn pages_of_the_last_block_that_never_reached_the_disk_are_cut_off() {
    let (_dir, options) = without_mark(6);
    let path = paths(&options.dir).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let from = bytes.len() - 200;
    bytes[from..].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    run(async {
        let chain = start_fast(options.clone()).await;
        assert_eq!(chain.audit.head().await.unwrap().seq, 6, "five records and the note");
    });
}

#[test]
fn reserved_room_that_a_killed_node_left_is_cut_off_without_a_word() {
    let (_dir, options, _) = written(60);
    let files = paths(&options.dir);
    let [.., before, last] = files.as_slice() else { panic!("{} segments", files.len()) };
    let lengths = || [before, last].map(|path| std::fs::metadata(path).unwrap().len());
    let sound = lengths();
    // the newest, and the one before it if the crash came while it was closed; more than is looked at in one step
    for (path, zeros) in [(last, 5_000), (before, 200_000)] {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.resize(bytes.len() + zeros, 0);
        std::fs::write(path, &bytes).unwrap();
    }
    assert!(crate::python::verify(&options.dir).ok, "others can read it as it is");
    run(async {
        let mut chain = start_fast(options.clone()).await;
        assert_eq!(chain.audit.head().await.unwrap().seq, 60, "no note");
        assert!(chain.audit.verify().await.unwrap().ok);
        chain.append([7]).await;
        chain.guard.stop().await;
    });
    assert_eq!(lengths()[0], sound[0], "a closed segment has no zeros");
}

#[test]
fn zeros_in_the_middle_of_the_log_are_damage() {
    let (_dir, options, _) = written(60);
    let files = paths(&options.dir);
    let [.., third, _, _] = files.as_slice() else { panic!("{} segments", files.len()) };
    let mut bytes = std::fs::read(third).unwrap();
    bytes.resize(bytes.len() + 100, 0);
    std::fs::write(third, &bytes).unwrap();
    assert!(!crate::python::verify(&options.dir).ok);
    run(async {
        let chain = start_fast(options.clone()).await;
        assert!(!chain.audit.verify().await.unwrap().ok);
    });
}

#[test]
fn a_torn_block_in_reserved_room_is_cut_off_and_noted() {
    let (_dir, options) = without_mark(6);
    let path = paths(&options.dir).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let whole = bytes.len();
    bytes.truncate(whole - 7);
    bytes.resize(whole + 9_000, 0);
    std::fs::write(&path, &bytes).unwrap();
    run(async {
        let mut chain = start_fast(options.clone()).await;
        let records = chain.audit.export_since(0, 100).await.unwrap();
        let note = records.last().unwrap();
        assert_eq!((records.len(), note.action.as_str()), (6, "audit.cut"));
        chain.guard.stop().await;
    });
    assert!(crate::python::verify(&options.dir).ok);
}

#[test]
fn damage_before_the_last_block_is_never_cut_off() {
    let (_dir, options) = without_mark(60);
    let path = paths(&options.dir).pop().unwrap();
    let sound = std::fs::read(&path).unwrap();
    let segment = load(&options.dir).pop().unwrap();
    assert!(segment.blocks.len() > 2);
    let mut at = segment.header.len();
    for records in &segment.blocks[..segment.blocks.len() - 1] {
        let mut bytes = sound.clone();
        bytes[at + 30] ^= 0x10;
        std::fs::write(&path, &bytes).unwrap();
        let text = refusal(&options);
        assert!(text.contains("records follow at byte"), "{text}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "the evidence was touched");
        at += 60 + records.iter().map(|record| record.len() + 2).sum::<usize>();
    }
}

#[test]
fn a_torn_block_that_the_mark_vouches_for_is_damage() {
    let (_dir, options, _) = written(6);
    let path = paths(&options.dir).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 3);
    std::fs::write(&path, &bytes).unwrap();
    let text = refusal(&options);
    assert!(text.contains("the mark says that 6 was durable"), "{text}");
}

#[test]
fn files_of_a_half_made_segment_are_removed() {
    let (_dir, options, _) = written(6);
    let left = options.dir.join("00000001-00000000000000000099.tmp");
    std::fs::write(&left, b"BIBAU").unwrap();
    run(async {
        let chain = start_fast(options.clone()).await;
        assert_eq!(chain.audit.head().await.unwrap().seq, 6);
    });
    assert!(!left.exists());
}

#[test]
fn a_mark_that_cannot_be_read_is_damage() {
    let (_dir, options, _) = written(6);
    std::fs::write(options.dir.join("mark"), b"BIB-AUDIT-MARK/1\n").unwrap();
    assert!(refusal(&options).contains("the mark cannot be read"));
}

#[test]
fn a_mark_for_another_log_is_damage() {
    let (_dir, options, _) = written(6);
    let mark = std::fs::read_to_string(options.dir.join("mark")).unwrap();
    let (_other, other, _) = written(6);
    std::fs::write(other.dir.join("mark"), mark).unwrap();
    assert!(refusal(&other).contains("another hash than the mark says"));
}
