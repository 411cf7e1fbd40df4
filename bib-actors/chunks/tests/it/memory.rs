//! The memory of an ingest and of a verification does not grow with the file.

use crate::common::{TestStore, noise, sign};
use bib_chunks::{IngestOptions, VersionWriter, verify_version};
use std::io::Read;
use std::process::Command;

const CHILD: &str = "BIB_TEST_MEMORY_CHILD";

/// A file that is made while it is read. Its content repeats, so that the disk has little to do.
struct Endless {
    pattern: Vec<u8>,
    at: usize,
    left: usize,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = out.len().min(self.pattern.len() - self.at).min(self.left);
        out[..n].copy_from_slice(&self.pattern[self.at..self.at + n]);
        self.at = (self.at + n) % self.pattern.len();
        self.left -= n;
        Ok(n)
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Peak memory belongs to a process, so this test runs itself once more, alone.
#[test]
fn a_large_file_takes_a_small_memory() {
    if std::env::var_os(CHILD).is_none() {
        let name = "memory::a_large_file_takes_a_small_memory";
        let child = Command::new(std::env::current_exe().unwrap()).args(["--exact", name]).env(CHILD, "1").output();
        let child = child.unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    const SIZE: usize = 384 << 20;
    let test = TestStore::new();
    let mut reader = Endless { pattern: noise(6 << 20, 1), at: 0, left: SIZE };
    let mut writer = VersionWriter::new(test.store.clone(), IngestOptions::default());
    writer.file("large", 0o644, &mut reader).unwrap();
    let content = writer.finish().unwrap();
    assert!(content.new_bytes < 32 << 20, "the repetition was not seen");
    let version = sign(&content);
    assert_eq!(version.manifest().file_bytes(), SIZE as u64);
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    let peak = peak_kib();
    assert!(peak < 96 << 10, "{peak} KiB for a file of {} KiB", SIZE >> 10);
}
