//! Syncs that fail, one at a time, in a real node. Some of each part here, all of them in `make chaos`.

use bib_node_tests::faults::{Swept, lost_sync, lost_sync_at_first_start};

/// A failed sync in each of these parts was survived.
fn hits(swept: &Swept, parts: &[&str]) {
    eprintln!("{swept:?}");
    for part in parts {
        assert!(swept.hit.contains_key(*part), "no sync of {part} failed: {swept:?}");
    }
    assert!(swept.notices, "a sync that was left out, or a chunk that is gone, was not noticed: {swept:?}");
}

#[test]
fn an_upload_is_never_acknowledged_after_a_failed_sync() {
    let swept = lost_sync(6, 1, &|_| {}).unwrap();
    assert!(swept.steps >= 10 && swept.failed >= 5, "{swept:?}");
    hits(&swept, &["blobs", "blobs/", "manifests", "manifests/", "audit"]);
}

#[test]
fn a_first_start_that_failed_is_followed_by_one_that_works() {
    let swept = lost_sync_at_first_start(4, 1, &|_| {}).unwrap();
    assert!(swept.steps >= 10 && swept.failed >= 3, "{swept:?}");
    hits(&swept, &["identity.key", "audit"]);
}
