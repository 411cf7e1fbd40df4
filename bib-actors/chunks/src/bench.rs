//! How fast a large file is cut, for the benchmarks: where its chunks end, and nothing else. Hashes and keeps nothing.

use crate::IngestOptions;
use crate::ingest::Cutter;

/// The lengths of the chunks that a large file with these bytes is cut into, found as an ingest finds them: while the bytes
/// come in, a few at a time.
#[must_use]
pub fn cut(bytes: &[u8], options: &IngestOptions) -> Vec<usize> {
    let mut cutter = Cutter::new(options);
    let (mut lengths, mut from, mut have) = (Vec::new(), 0, 0);
    while have < bytes.len() {
        have = bytes.len().min(have + options.chunk_min.max(1));
        while let Some(length) = cutter.cut(&bytes[from..have], have == bytes.len()) {
            lengths.push(length);
            from += length;
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChunkStore, StoreOptions, VersionWriter};

    #[test]
    fn the_chunks_are_those_of_an_ingest() {
        let mut state = 7_u64;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        });
        let options = IngestOptions::default();
        let bytes: Vec<u8> = noise.take(3 * options.chunk_avg + 5).collect();
        let dir = tempfile::tempdir().unwrap();
        let store = ChunkStore::open(&dir.path().join("blobs"), StoreOptions::default()).unwrap();
        let mut writer = VersionWriter::new(store, options.clone());
        writer.file("large.bin", 0o644, &mut bytes.as_slice()).unwrap();
        let content = writer.finish().unwrap();

        let kept: Vec<usize> = content.chunks.iter().map(|chunk| chunk.len as usize).collect();
        assert_eq!(cut(&bytes, &options), kept);
        assert_eq!(cut(&[], &options), Vec::<usize>::new());
    }
}
