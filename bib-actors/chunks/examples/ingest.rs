//! Measures the chunk store: puts a file or a folder in, puts it in again, verifies it.
//!
//! `cargo run --release -p bib-chunks --example ingest -- STORE FILE_OR_FOLDER` prints one line for each step. It
//! judges nothing: the comparison with other programs belongs to the bench harness.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a program for people that measures time")]

use bib_chunks::{ChunkStore, IngestOptions, Manifest, SignedManifest, StoreOptions, VersionWriter, verify_version};
use ed25519_dalek::SigningKey;
use std::error::Error;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(root), Some(source)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ingest STORE FILE_OR_FOLDER".into());
    };
    let store = ChunkStore::open(&root, StoreOptions::default())?;
    let version = put(&store, &source, "first")?;
    put(&store, &source, "again")?;
    let start = Instant::now();
    let report = verify_version(&store, &version, |_| {});
    show("verify", start, version.manifest().file_bytes(), version.manifest().entries.len());
    println!("sound={} chunks={} damage={}", report.is_sound(), report.chunks, report.damage.len());
    Ok(())
}

fn put(store: &ChunkStore, source: &Path, step: &str) -> Result<SignedManifest, Box<dyn Error>> {
    let start = Instant::now();
    let mut writer = VersionWriter::new(store.clone(), IngestOptions::default());
    add(&mut writer, source, "data")?;
    let content = writer.finish()?;
    let manifest = Manifest {
        dataset: "bench/ingest".to_owned(),
        number: 1,
        created_ms: 0,
        message: String::new(),
        parents: Vec::new(),
        publisher: [0; 32],
        chunks: content.chunks,
        entries: content.entries,
    };
    let version = SignedManifest::sign(manifest, &SigningKey::from_bytes(&[7; 32]))?;
    show(step, start, version.manifest().file_bytes(), version.manifest().entries.len());
    println!(
        "new_chunks={} new_bytes={} manifest_bytes={}",
        content.new_chunks,
        content.new_bytes,
        version.bytes().len()
    );
    Ok(version)
}

fn add(writer: &mut VersionWriter, source: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let about = source.metadata()?;
    if about.is_file() {
        return Ok(writer.file(name, about.permissions().mode(), &mut File::open(source)?)?);
    }
    let mut names =
        std::fs::read_dir(source)?.map(|item| Ok(item?.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    names.sort();
    for item in names {
        let below = item.to_str().ok_or("a file name is not UTF-8")?;
        add(writer, &source.join(below), &format!("{name}/{below}"))?;
    }
    Ok(())
}

fn show(step: &str, start: Instant, bytes: u64, entries: usize) {
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{step:>7}: {seconds:.3} s, {:.0} MB/s, {:.0} entries/s",
        bytes as f64 / 1e6 / seconds,
        entries as f64 / seconds
    );
}
