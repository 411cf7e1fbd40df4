//! A chunk store, a catalogue and an engine for tests, and rows as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bib_chunks::{
    ChunkStore, Content, EntryKind, IngestOptions, Manifest, SignedManifest, StoreOptions, VersionWriter,
};
use bib_domain::DatasetRef;
use bib_query::{
    Catalog, CatalogError, DetectError, Elsewhere, QueryEngine, QueryError, QueryOptions, Resolved, describe,
};
use ed25519_dalek::SigningKey;
use futures::TryStreamExt;
use serde_json::Value;
use tempfile::TempDir;

/// Everything that a query needs.
pub(crate) struct Lab {
    pub(crate) engine: QueryEngine,
    pub(crate) store: ChunkStore,
    versions: Mutex<BTreeMap<String, Vec<Arc<SignedManifest>>>>,
    /// What it says of its versions.
    pub(crate) whole: bool,
    /// How files are cut into chunks.
    pub(crate) ingest: IngestOptions,
    pub(crate) dir: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with(QueryOptions::default())
    }

    pub(crate) fn with(options: QueryOptions) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = ChunkStore::open(&dir.path().join("blobs"), StoreOptions::default()).unwrap();
        let engine = QueryEngine::new(store.clone(), options);
        Self { engine, store, versions: Mutex::default(), whole: true, ingest: IngestOptions::default(), dir }
    }

    /// The same data under other bounds.
    pub(crate) fn engine_with(&self, options: QueryOptions) -> QueryEngine {
        QueryEngine::new(self.store.clone(), options)
    }

    /// Keeps files and describes them as an upload does.
    pub(crate) fn put(&self, dataset: &str, files: &[(&str, &[u8])]) -> Vec<(String, Result<bool, DetectError>)> {
        let mut content = self.write(files);
        let mut told = Vec::new();
        for entry in &mut content.entries {
            let described = describe(&self.store, &content.chunks, entry);
            let EntryKind::File { media_type, schema, .. } = &mut entry.kind else { continue };
            *media_type = described.media_type.clone();
            let table = described.table;
            if let Ok(table) = &table {
                *schema = table.clone();
            }
            told.push((described.media_type, table.map(|table| table.is_some())));
        }
        self.publish(dataset, content);
        told
    }

    pub(crate) fn write(&self, files: &[(&str, &[u8])]) -> Content {
        let mut writer = VersionWriter::new(self.store.clone(), self.ingest.clone());
        for (path, bytes) in files {
            writer.file(path, 0o644, &mut &**bytes).unwrap();
        }
        writer.finish().unwrap()
    }

    pub(crate) fn publish(&self, dataset: &str, content: Content) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = versions.entry(dataset.to_owned()).or_default();
        let manifest = Manifest {
            dataset: dataset.to_owned(),
            number: known.len() as u64 + 1,
            created_ms: 0,
            message: String::new(),
            parents: Vec::new(),
            publisher: [0; 32],
            chunks: content.chunks,
            entries: content.entries,
        };
        known.push(Arc::new(SignedManifest::sign(manifest, &SigningKey::from_bytes(&[7; 32])).unwrap()));
    }

    /// The rows that the manifest speaks of.
    pub(crate) fn rows_told(&self, dataset: &str) -> Option<u64> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = versions.get(dataset)?.last()?.manifest();
        let EntryKind::File { schema, .. } = &manifest.entries[0].kind else { return None };
        schema.as_ref()?.rows
    }

    /// Bytes of the table `file` in `data/t`.
    pub(crate) fn one(file: &str, bytes: &[u8]) -> Self {
        let lab = Self::new();
        let told = lab.put("data/t", &[(file, bytes)]);
        assert!(matches!(told.as_slice(), [(_, Ok(true))]), "{file} was not understood: {told:?}");
        lab
    }

    /// The rows of a query as JSON objects.
    pub(crate) async fn rows(&self, expression: &str) -> Vec<Value> {
        match self.try_rows(expression).await {
            Ok(rows) => rows,
            Err(error) => panic!("{expression}\n{error}"),
        }
    }

    pub(crate) async fn try_rows(&self, expression: &str) -> Result<Vec<Value>, QueryError> {
        let result = self.engine.query(expression, None, None, self).await?;
        let batches: Vec<RecordBatch> = result.stream.try_collect().await?;
        Ok(to_json(&batches))
    }

    /// The message of a query that must fail before a row comes.
    pub(crate) async fn refusal(&self, expression: &str) -> String {
        match self.engine.query(expression, None, None, self).await {
            Err(error) => error.to_string(),
            Ok(_) => panic!("was not refused: {expression}"),
        }
    }
}

#[async_trait]
impl Catalog for Lab {
    async fn resolve(&self, dataset: &DatasetRef, version: Option<&str>) -> Result<Resolved, CatalogError> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            versions.get(&dataset.to_string()).ok_or_else(|| not_found(versions.keys().take(1).cloned().collect()))?;
        let found = match version {
            None => known.last(),
            Some(version) => known.iter().find(|manifest| {
                manifest.manifest().number.to_string() == version || manifest.id().to_hex().starts_with(version)
            }),
        };
        let manifest = found.cloned().ok_or_else(|| not_found(Vec::new()))?;
        Ok(Resolved { manifest, whole: self.whole })
    }
}

/// A dataset that is nowhere.
pub(crate) fn not_found(suggestions: Vec<String>) -> CatalogError {
    CatalogError::NotFound { suggestions, elsewhere: Elsewhere::Nowhere }
}

/// Rows as objects, missing values as null.
pub(crate) fn to_json(batches: &[RecordBatch]) -> Vec<Value> {
    let mut out = Vec::new();
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut out);
    writer.write_batches(&batches.iter().collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one number in the one row of a result.
pub(crate) fn number(rows: &[Value]) -> f64 {
    let [Value::Object(row)] = rows else { panic!("not one row: {rows:?}") };
    let values: Vec<_> = row.values().collect();
    let [value] = values.as_slice() else { panic!("not one value: {row:?}") };
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// Values of one column.
pub(crate) fn column(rows: &[Value], name: &str) -> Vec<Value> {
    rows.iter().map(|row| row.get(name).unwrap_or_else(|| panic!("no {name} in {row}")).clone()).collect()
}

pub(crate) fn close(a: &Value, b: f64) {
    let a = a.as_f64().unwrap_or_else(|| panic!("not a number: {a}"));
    assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{a} is not {b}");
}

fn example(name: &str) -> Vec<u8> {
    let path = package_dir().join("../../examples/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Some columns of the flights, read by nothing but Arrow's own reader.
pub(crate) fn flights(columns: &[&str]) -> Vec<RecordBatch> {
    let bytes = bytes::Bytes::from(example("flights.parquet"));
    let builder = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    let wanted = parquet::arrow::ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    builder.with_projection(wanted).build().unwrap().map(Result::unwrap).collect()
}

/// The real tables, in three datasets; shared by the tests that run at the same time and removed after the last.
pub(crate) fn nyc() -> Arc<Lab> {
    static SHARED: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lab) = shared.upgrade() {
        return lab;
    }
    let lab = Lab::new();
    for (dataset, file) in
        [("flights/2013", "flights.parquet"), ("flights/csv", "flights.csv"), ("weather/all", "weather.csv")]
    {
        let told = lab.put(dataset, &[(file, &example(file))]);
        assert!(matches!(told.as_slice(), [(_, Ok(true))]), "{told:?}");
    }
    let lab = Arc::new(lab);
    *shared = Arc::downgrade(&lab);
    lab
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
pub(crate) fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}
