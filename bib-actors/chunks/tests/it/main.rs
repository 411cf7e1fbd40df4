//! Tests of the chunk store on real files, one module for each promise.

mod common;
mod concurrent;
mod damage;
mod disk;
mod faults;
mod ingest;
mod manifest;
mod memory;
mod packs;
mod roundtrip;
mod store;
