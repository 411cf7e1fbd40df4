//! The memory of a node stays small while data goes through it. Longer runs send more.

use bib_node_tests::faults::memory;

/// The most that a node may take, in KiB.
const BOUND_KIB: u64 = 512 << 10;

#[test]
fn data_goes_through_in_little_memory() {
    let peaks = memory(768 << 20).unwrap();
    eprintln!("{peaks:?}");
    assert!(peaks.first_kib < BOUND_KIB && peaks.second_kib < BOUND_KIB, "{peaks:?}");
}
