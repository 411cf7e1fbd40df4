//! Scenarios in which the storage of a real node fails, for the tests and for longer runs.
//!
//! Each is a function that breaks something, checks the promises, and answers what it saw; the first broken promise is
//! its error.

mod full_disk;
mod lost_sync;
mod many_files;
mod memory;
mod small_disk;

pub use full_disk::{Place, Survived, full_disk};
pub use lost_sync::{Swept, lost_sync, lost_sync_at_first_start};
pub use many_files::{Packed, many_files};
pub use memory::{PORTION, Peaks, memory, peak_kib};
pub use small_disk::SmallDisk;

/// Bytes that no compression and no deduplication makes fewer, the same for the same seed: xorshift64*.
#[must_use]
pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        out.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    out.truncate(bytes);
    out
}
