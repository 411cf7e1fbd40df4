//! A full disk under each part of a node.

use bib_node_tests::faults::{Place, SmallDisk, full_disk};

/// Set by whoever knows that this machine cannot mount and leaves these tests out.
const WITHOUT: &str = "BIB_TEST_WITHOUT_MOUNT";

fn survives(place: Place) {
    if std::env::var_os(WITHOUT).is_some() {
        return eprintln!("left out: {WITHOUT} is set");
    }
    if let Err(error) = SmallDisk::may_mount() {
        panic!("{error:#}; to leave this test out knowingly, set {WITHOUT}=1");
    }
    let survived = full_disk(place, 1).unwrap();
    assert!(survived.acknowledged >= 3 && survived.notices, "{survived:?}");
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
