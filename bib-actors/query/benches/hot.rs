//! The hot parts of a query: from its text to a plan, and a filter over rows that are in memory.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use async_trait::async_trait;
use bib_chunks::{ChunkStore, EntryKind, IngestOptions, Manifest, SignedManifest, StoreOptions, VersionWriter};
use bib_domain::DatasetRef;
use bib_query::{Catalog, CatalogError, QueryEngine, QueryOptions, Resolved, describe};
use divan::Bencher;
use divan::counter::ItemsCount;
use ed25519_dalek::SigningKey;
use futures::TryStreamExt;
use std::fmt::Write;
use std::sync::Arc;
use tokio::runtime::Runtime;

const ROWS: u32 = 200_000;

fn main() {
    divan::main();
}

/// One table of CSV, an engine over it and a runtime.
struct Lab {
    engine: QueryEngine,
    signed: Arc<SignedManifest>,
    runtime: Runtime,
    _dir: tempfile::TempDir,
}

#[async_trait]
impl Catalog for Lab {
    async fn resolve(&self, _: &DatasetRef, _: Option<&str>) -> Result<Resolved, CatalogError> {
        Ok(Resolved { manifest: Arc::clone(&self.signed), whole: true })
    }
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = ChunkStore::open(&dir.path().join("blobs"), StoreOptions::default()).unwrap();
        let mut text = String::from("id,a,b,f,s\n");
        for n in 0..ROWS {
            let mixed = n.wrapping_mul(2_654_435_761);
            let (a, b, f) = (mixed % 1000, mixed / 1000 % 10, f64::from(mixed % 1_000_000) / 1e6);
            writeln!(text, "{n},{a},{b},{f},site_{}", mixed % 50).unwrap();
        }
        let mut writer = VersionWriter::new(store.clone(), IngestOptions::default());
        writer.file("table.csv", 0o644, &mut text.as_bytes()).unwrap();
        let mut content = writer.finish().unwrap();
        let described = describe(&store, &content.chunks, &content.entries[0]);
        if let EntryKind::File { media_type, schema, .. } = &mut content.entries[0].kind {
            *media_type = described.media_type.clone();
            *schema = described.table.unwrap();
        }
        let manifest = Manifest {
            dataset: "bench/table".to_owned(),
            number: 1,
            created_ms: 0,
            message: String::new(),
            parents: Vec::new(),
            publisher: [0; 32],
            chunks: content.chunks,
            entries: content.entries,
        };
        let signed = Arc::new(SignedManifest::sign(manifest, &SigningKey::from_bytes(&[7; 32])).unwrap());
        let engine = QueryEngine::new(store, QueryOptions::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { engine, signed, runtime, _dir: dir }
    }

    fn rows(&self, expression: &str) -> usize {
        self.runtime.block_on(async {
            let found = self.engine.query(expression, None, None, self).await.unwrap();
            let batches: Vec<_> = found.stream.try_collect().await.unwrap();
            batches.iter().map(arrow::array::RecordBatch::num_rows).sum()
        })
    }
}

/// From text to a physical plan: parsed, checked against the columns, compiled.
#[divan::bench(args = [1, 8, 32])]
fn cel_to_plan(bencher: Bencher, terms: usize) {
    let lab = Lab::new();
    let filter = vec!["r.a > 500 && r.b == 3"; terms].join(" && ");
    let text = format!(r#"dataset("bench/table").filter(r, {filter}).map(r, {{"s": r.s}}).limit(10)"#);
    bencher.bench_local(|| lab.runtime.block_on(lab.engine.explain(&text, &lab)).unwrap());
}

/// A filter and an aggregate over CSV, with what parsing it costs.
#[divan::bench(sample_count = 20, sample_size = 1)]
fn csv_filter(bencher: Bencher) {
    let lab = Lab::new();
    let text = r#"dataset("bench/table").filter(r, r.a > 500 && r.b == 3).aggregate(r, {}, {"n": count()})"#;
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| lab.rows(text));
}

/// The same filter in words that only the interpreter knows, row by row.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn csv_filter_row_by_row(bencher: Bencher) {
    let lab = Lab::new();
    let text =
        r#"dataset("bench/table").filter(r, [r.a].exists(x, x > 500) && r.b == 3).aggregate(r, {}, {"n": count()})"#;
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| lab.rows(text));
}
