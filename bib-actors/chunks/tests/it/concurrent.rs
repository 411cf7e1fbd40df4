//! Many at once on one store.

use crate::common::{TestStore, ingest, noise, read, sign, tiny};
use bib_chunks::verify_version;
use std::sync::Barrier;

#[test]
fn sixteen_writers_of_the_same_content_write_it_once() {
    let test = TestStore::new();
    let data = noise(60_000, 4);
    let small: Vec<_> = (0..40_u64).map(|n| (format!("s/{n:02}"), noise(120, n))).collect();
    let start = Barrier::new(16);
    let contents: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let files = small.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
                    ingest(&test.store, &tiny(), std::iter::once(("big", data.as_slice())).chain(files))
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert!(contents.iter().all(|content| content.chunks == contents[0].chunks));
    assert!(contents.iter().all(|content| content.entries == contents[0].entries));
    let new: u64 = contents.iter().map(|content| content.new_chunks).sum();
    assert_eq!(new as usize, contents[0].chunks.len(), "each chunk is new for exactly one of them");
    assert_eq!(test.chunk_files().len(), contents[0].chunks.len());
    assert_eq!(std::fs::read_dir(test.root().join("tmp")).unwrap().count(), 0);
    let version = sign(&contents[0]);
    assert!(verify_version(&test.store, &version, |_| {}).is_sound());
    assert_eq!(read(&test.store, version.manifest(), "big"), data);
}

#[test]
fn readers_see_whole_chunks_or_none_while_writers_write() {
    let test = TestStore::new();
    let data = noise(200_000, 8);
    let expected = ingest(&TestStore::new().store, &tiny(), [("big", data.as_slice())]);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| ingest(&test.store, &tiny(), [("big", data.as_slice())]));
        for _ in 0..3 {
            scope.spawn(|| {
                for chunk in expected.chunks.iter().cycle().take(2_000) {
                    match test.store.read(&chunk.hash) {
                        Ok(bytes) => assert_eq!(bytes.len(), chunk.len as usize),
                        Err(error) => assert!(matches!(error, bib_chunks::ChunkError::Missing { .. }), "{error}"),
                    }
                }
            });
        }
        assert_eq!(writer.join().unwrap().chunks, expected.chunks);
    });
    assert_eq!(std::fs::read_dir(test.root().join("quarantine")).unwrap().count(), 0);
}
