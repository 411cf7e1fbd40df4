//! The log changed behind the node's back, in every way that comes to mind. Each is found by a verification of the
//! running node and by the independent verifier, except those that no log without witnesses can find: these are here as
//! well, so that nobody believes otherwise.

use crate::files::{Segment, edit, load, paths};
use crate::python;
use crate::support::{node, refusal, start, written};
use bib_audit::{AuditOptions, AuditVerdict};
use bib_kit::probe::run;
use std::path::Path;

/// Writes a log of sixty records, changes its files under the running node, and has both verifiers look at it.
fn tampered(change: impl FnOnce(&Path)) -> AuditVerdict {
    let (_dir, options, _) = written(60);
    let verdict = run(async {
        let chain = start(options.clone()).await;
        assert!(chain.audit.verify().await.unwrap().ok);
        assert!(python::verify(&options.dir).ok);
        change(&options.dir);
        chain.audit.verify().await.unwrap()
    });
    let other = python::verify(&options.dir);
    assert!(!verdict.ok, "the node did not see it");
    assert!(!other.ok, "the independent verifier did not see it");
    assert!(verdict.problem.is_some());
    verdict
}

fn with_segment(dir: &Path, number: usize, change: impl FnOnce(&mut Segment)) {
    let mut segment = load(dir).remove(number);
    change(&mut segment);
    segment.store();
}

#[test]
fn a_changed_field() {
    let verdict = tampered(|dir| {
        with_segment(dir, 2, |segment| {
            let record = &mut segment.blocks[1][0];
            *record = edit(record, |record| record.actor = "user:eve".to_owned());
        });
    });
    assert!(verdict.first_bad_seq.unwrap() > 10, "{verdict:?}");
}

#[test]
fn a_changed_field_without_mending_the_frame() {
    tampered(|dir| {
        let path = &paths(dir)[1];
        let mut bytes = std::fs::read(path).unwrap();
        let at = bytes.windows(11).position(|window| window == b"test.append").unwrap();
        bytes[at] = b'b';
        std::fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_changed_last_record() {
    let verdict = tampered(|dir| {
        let last = load(dir).len() - 1;
        with_segment(dir, last, |segment| {
            let record = segment.blocks.last_mut().unwrap().last_mut().unwrap();
            *record = edit(record, |record| record.rows = None);
        });
    });
    assert!(verdict.first_bad_seq.unwrap() >= 60, "{verdict:?}");
}

#[test]
fn a_deleted_record() {
    tampered(|dir| {
        with_segment(dir, 1, |segment| {
            segment.blocks.remove(2);
        });
    });
}

#[test]
fn a_deleted_record_with_the_positions_mended() {
    tampered(|dir| {
        with_segment(dir, 1, |segment| {
            segment.blocks.remove(2);
            for record in segment.blocks[2..].iter_mut().flatten() {
                *record = edit(record, |record| record.seq -= 1);
            }
        });
    });
}

#[test]
fn a_deleted_first_record_of_a_segment() {
    let verdict = tampered(|dir| {
        with_segment(dir, 1, |segment| {
            segment.blocks.remove(0);
        });
    });
    assert_eq!(verdict.first_bad_seq, Some(verdict.records + 1));
}

#[test]
fn an_inserted_record() {
    tampered(|dir| {
        with_segment(dir, 1, |segment| {
            let forged = edit(&segment.blocks[2][0], |record| record.object = "forged".to_owned());
            segment.blocks.insert(2, vec![forged]);
        });
    });
}

#[test]
fn a_repeated_record() {
    tampered(|dir| {
        with_segment(dir, 1, |segment| {
            let again = segment.blocks[2].clone();
            segment.blocks.insert(3, again);
        });
    });
}

#[test]
fn two_records_in_the_other_order() {
    tampered(|dir| with_segment(dir, 1, |segment| segment.blocks.swap(1, 2)));
}

#[test]
fn two_records_that_swapped_their_contents() {
    tampered(|dir| {
        with_segment(dir, 1, |segment| {
            let (a, b) = (segment.blocks[1][0].clone(), segment.blocks[2][0].clone());
            let of = |bytes: &[u8]| bib_audit::AuditRecord::decode(bytes).unwrap().object;
            segment.blocks[1][0] = edit(&a, |record| record.object = of(&b));
            segment.blocks[2][0] = edit(&b, |record| record.object = of(&a));
        });
    });
}

#[test]
fn two_segments_that_swapped_their_contents() {
    tampered(|dir| {
        let paths = paths(dir);
        let (a, b) = (std::fs::read(&paths[1]).unwrap(), std::fs::read(&paths[2]).unwrap());
        std::fs::write(&paths[1], b).unwrap();
        std::fs::write(&paths[2], a).unwrap();
    });
}

#[test]
fn a_missing_segment() {
    for number in [0, 1] {
        let verdict = tampered(|dir| std::fs::remove_file(&paths(dir)[number]).unwrap());
        assert!(verdict.first_bad_seq.is_some());
    }
}

#[test]
fn the_last_segment_removed() {
    let verdict = tampered(|dir| std::fs::remove_file(paths(dir).last().unwrap()).unwrap());
    assert!(verdict.records < 60);
}

#[test]
fn a_log_that_is_gone() {
    let verdict = tampered(|dir| paths(dir).iter().for_each(|path| std::fs::remove_file(path).unwrap()));
    assert_eq!(verdict.first_bad_seq, Some(1));
}

#[test]
fn bytes_after_a_closed_segment() {
    tampered(|dir| {
        let path = &paths(dir)[1];
        let mut bytes = std::fs::read(path).unwrap();
        bytes.push(0);
        std::fs::write(path, bytes).unwrap();
    });
}

#[test]
fn a_changed_header_with_the_right_checksum() {
    for at in [4, 20] {
        // The first position and the previous hash.
        tampered(|dir| with_segment(dir, 1, |segment| segment.change_header(|array| array[at] ^= 1)));
    }
}

#[test]
fn records_of_another_node() {
    tampered(|dir| {
        let other = "12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2";
        for mut segment in load(dir) {
            segment.change_header(|array| {
                let at = array.windows(4).position(|window| window == b"12D3").unwrap();
                array[at..at + other.len()].copy_from_slice(other.as_bytes());
            });
            segment.store();
        }
    });
}

#[test]
fn a_tail_cut_while_the_node_runs() {
    let verdict = tampered(|dir| {
        let last = load(dir).len() - 1;
        with_segment(dir, last, |segment| {
            segment.blocks.pop();
        });
    });
    assert_eq!((verdict.records, verdict.first_bad_seq), (59, Some(60)));
}

#[test]
fn any_bit() {
    let (_dir, options, _) = written(5);
    run(async {
        let chain = start(options.clone()).await;
        let path = paths(&options.dir).remove(0);
        let sound = std::fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, bytes).unwrap();
            assert!(!chain.audit.verify().await.unwrap().ok, "bit {} of byte {at}", at % 8);
        }
        std::fs::write(&path, sound).unwrap();
        assert!(chain.audit.verify().await.unwrap().ok);
    });
}

#[test]
fn damage_in_the_last_segment_keeps_the_log_from_being_opened() {
    let (_dir, options, _) = written(60);
    let last = load(&options.dir).len() - 1;
    with_segment(&options.dir, last, |segment| {
        let record = &mut segment.blocks[0][0];
        *record = edit(record, |record| record.rows = None);
    });
    let text = refusal(&options);
    assert!(text.contains("damaged at record") && text.contains("backup"), "{text}");
}

#[test]
fn a_tail_cut_below_the_mark_keeps_the_log_from_being_opened() {
    let (_dir, options, _) = written(60);
    let last = load(&options.dir).len() - 1;
    with_segment(&options.dir, last, |segment| {
        segment.blocks.pop();
    });
    let text = refusal(&options);
    assert!(text.contains("the mark says that 60 was durable"), "{text}");
}

#[test]
fn the_log_of_another_node_is_refused() {
    let (_dir, options, _) = written(3);
    let other =
        AuditOptions { node_id: "12D3KooWBmAwcd4PJNJvfV89HwE48nwkRmAgo8Vy3uQEyNNHBox2".parse().unwrap(), ..options };
    let text = refusal(&other);
    assert!(text.contains(node().as_str()) && text.contains("belongs to"), "{text}");
}

/// Not detectable without witnesses: a tail cut at the end of a block, with the mark set back, while the node is down.
#[test]
fn a_tail_cut_together_with_the_mark_is_not_seen() {
    let (_dir, options, receipts) = written(60);
    let last = load(&options.dir).len() - 1;
    with_segment(&options.dir, last, |segment| {
        segment.blocks.pop();
    });
    std::fs::remove_file(options.dir.join("mark")).unwrap();
    run(async {
        let chain = start(options).await;
        assert!(chain.audit.verify().await.unwrap().ok);
        // The client's receipt is what shows it.
        let kept = receipts.last().unwrap();
        assert!(chain.audit.export_since(kept.seq - 1, 1).await.unwrap().is_empty());
    });
}

/// Not detectable without witnesses: the owner writes the whole log anew.
#[test]
fn a_log_that_was_rewritten_as_a_whole_is_not_seen() {
    let (_dir, options, receipts) = written(60);
    let mut prev = [0; 32];
    for mut segment in load(&options.dir) {
        segment.change_header(|array| {
            let at = array.windows(2).position(|window| window == [0x58, 0x20]).unwrap() + 2;
            array[at..at + 32].copy_from_slice(&prev);
        });
        for record in segment.blocks.iter_mut().flatten() {
            *record = edit(record, |record| {
                record.prev_hash = prev;
                record.actor = "user:eve".to_owned();
            });
            prev = bib_audit::format::leaf_hash(record);
        }
        segment.store();
    }
    std::fs::remove_file(options.dir.join("mark")).unwrap();
    run(async {
        let chain = start(options).await;
        let verdict = chain.audit.verify().await.unwrap();
        assert!(verdict.ok && verdict.witnesses == 0);
        assert_ne!(verdict.head.hash, receipts.last().unwrap().leaf_hash);
    });
}
