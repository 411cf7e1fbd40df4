//! End-to-end tests with real processes, and the rules of the tree.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod architecture;
mod browser;
mod daemon;
mod data;
mod full_disk;
mod inputs;
mod interrupts;
mod journey;
mod login;
mod lost_sync;
mod memory;
mod oddities;
mod orphans;
mod pairing;
mod people;
mod proxy;
mod remote;
mod resume;
mod storage;
mod supervision;
mod tidy;
mod tree;
mod unchanged;
mod versions;
