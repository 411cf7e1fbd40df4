//! Tests of the chunk store on real files, one module for each promise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod concurrent;
mod damage;
mod depth;
mod disk;
mod faults;
mod heal;
mod ingest;
mod manifest;
mod memory;
mod packs;
mod roundtrip;
mod shelf;
mod store;
mod sweep;
mod warm;
