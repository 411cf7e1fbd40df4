//! A full disk under each part of a node.

use bib_node_tests::faults::{Place, SmallDisk, full_disk};

fn survives(place: Place) {
    if !SmallDisk::may_mount() {
        return eprintln!("not run: mounting a small disk needs root");
    }
    let survived = full_disk(place).unwrap();
    assert!(survived.acknowledged >= 3, "{survived:?}");
    eprintln!("{place:?}: {survived:?}");
}

#[test]
fn under_the_database() {
    survives(Place::Database);
}

#[test]
fn under_the_chunk_store() {
    survives(Place::Chunks);
}

#[test]
fn under_the_audit_log() {
    survives(Place::Audit);
}

#[test]
fn under_everything() {
    survives(Place::Whole);
}
