//! Files that no store has seen before.

use anyhow::Context;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

/// Numbers that look random and are the same for the same seed.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Appends at least `len` bytes, in steps of eight.
    pub(crate) fn fill(&mut self, block: &mut Vec<u8>, len: usize) {
        while block.len() < len {
            block.extend_from_slice(&self.next().to_le_bytes());
        }
    }
}

/// Writes `mib` MiB that differ from those of every other seed, and has them on the disk before it comes back.
pub(crate) fn noise(path: &Path, seed: u64, mib: usize) -> anyhow::Result<()> {
    noise_bytes(path, seed, mib << 20)
}

/// The same for a number of bytes.
pub(crate) fn noise_bytes(path: &Path, seed: u64, bytes: usize) -> anyhow::Result<()> {
    let mut file = File::create(path).with_context(|| format!("make {}", path.display()))?;
    let mut noise = Noise::new(seed);
    let mut block = Vec::with_capacity(1 << 20);
    let mut left = bytes;
    while left > 0 {
        let now = left.min(1 << 20);
        block.clear();
        noise.fill(&mut block, now);
        file.write_all(&block[..now])?;
        left -= now;
    }
    file.sync_all().context("sync")
}

/// Makes a folder of `count` files of `bytes` bytes, a hundred of them in each folder below it.
pub(crate) fn small_files(folder: &Path, seed: u64, count: usize, bytes: usize) -> anyhow::Result<()> {
    let mut noise = Noise::new(seed);
    let mut block = Vec::with_capacity(bytes + 8);
    for number in 0..count {
        let below = folder.join(format!("{:04}", number / 100));
        if number % 100 == 0 {
            std::fs::create_dir_all(&below).with_context(|| format!("make {}", below.display()))?;
        }
        block.clear();
        noise.fill(&mut block, bytes);
        std::fs::write(below.join(format!("{number:06}.bin")), &block[..bytes])?;
    }
    crate::peers::sync(folder)
}

/// Files below a folder, and bytes in them.
pub(crate) fn count_files(folder: &Path) -> anyhow::Result<(usize, u64)> {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            let (files, bytes) = count_files(&entry.path())?;
            sum = (sum.0 + files, sum.1 + bytes);
        } else {
            sum = (sum.0 + 1, sum.1 + about.len());
        }
    }
    Ok(sum)
}

/// The SHA-256 of a file, read once from its beginning to its end.
pub(crate) fn hash(path: &Path) -> anyhow::Result<[u8; 32]> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&block[..n]),
        }
    }
}

/// MB/s for `mib` MiB in `seconds`.
pub(crate) fn rate(mib: usize, seconds: f64) -> f64 {
    float(mib << 20) / seconds / 1e6
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
pub(crate) const fn float(count: usize) -> f64 {
    count as f64
}
