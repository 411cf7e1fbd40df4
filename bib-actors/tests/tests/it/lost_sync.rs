//! Syncs that fail, one at a time, in a real node. Some of them here, all of them in longer runs.

use bib_node_tests::faults::{lost_sync, lost_sync_at_first_start};

#[test]
fn an_upload_is_never_acknowledged_after_a_failed_sync() {
    let swept = lost_sync(6).unwrap();
    assert!(swept.steps >= 10 && swept.failed >= 5, "{swept:?}");
    eprintln!("{swept:?}");
}

#[test]
fn a_first_start_that_failed_is_followed_by_one_that_works() {
    let swept = lost_sync_at_first_start(4).unwrap();
    assert!(swept.steps >= 10 && swept.failed >= 3, "{swept:?}");
    eprintln!("{swept:?}");
}
