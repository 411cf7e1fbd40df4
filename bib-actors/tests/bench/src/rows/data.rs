//! Large files that no store has seen before.

use anyhow::Context;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes `mib` MiB that differ from those of every other seed, and has them on the disk before it comes back.
pub(crate) fn noise(path: &Path, seed: u64, mib: usize) -> anyhow::Result<()> {
    let mut file = File::create(path).with_context(|| format!("make {}", path.display()))?;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut block = Vec::with_capacity(1 << 20);
    for _ in 0..mib {
        block.clear();
        while block.len() < 1 << 20 {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            block.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        }
        file.write_all(&block)?;
    }
    file.sync_all().context("sync")
}

/// MB/s for `mib` MiB in `seconds`.
pub(crate) fn rate(mib: usize, seconds: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some thousand MiB")]
    let bytes = (mib << 20) as f64;
    bytes / seconds / 1e6
}
