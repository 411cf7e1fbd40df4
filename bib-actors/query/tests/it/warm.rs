//! Pages out of memory: the same as those that are read, for the same people, within their bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use bib_domain::DatasetRef;
use bib_query::{Catalog, CatalogError, QueryEngine, QueryError, QueryOptions, Resolved, SortBy, View};

use crate::parquet_files::parquet;
use crate::support::{Lab, not_found, to_json};

/// Rows of the table, in row groups of which the last is shorter.
const ROWS: i64 = 9_000;
const GROUP: usize = 2_000;

fn lab() -> Lab {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
    let texts = (0..ROWS).map(|row| (row % 7 != 0).then(|| format!("a text that is longer than a view, {}", row % 50)));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    let batch = RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("s", texts, true)]).unwrap();
    let lab = Lab::new();
    let told = lab.put("data/t", &[("a.parquet", &parquet(&batch, GROUP)), ("b.parquet", &parquet(&batch, GROUP))]);
    assert!(told.iter().all(|(_, told)| matches!(told, Ok(true))), "{told:?}");
    lab
}

fn views() -> Vec<View> {
    let all = View::of("dataset(\"data/t\")");
    let sort = Some(SortBy { column: "n".to_owned(), descending: true });
    vec![
        all.clone(),
        View { columns: vec!["s".to_owned()], ..all.clone() },
        View { filter: "r.n > 100".to_owned(), ..all.clone() },
        View { sort, ..all },
        View::of("dataset(\"data/t\", \"b.parquet\")"),
        View::of("dataset(\"data/t\").filter(r, r.n < 50)"),
    ]
}

/// What a reader gets: rows, where they stand, how many there are; and what was read for it.
async fn read(engine: &QueryEngine, lab: &Lab, view: &View, offset: u64, rows: u64) -> (String, u64) {
    let page = engine.page(view, offset, rows, None, lab).await.unwrap();
    let told = page.stats.rows();
    let rows = to_json(&page.batches);
    assert_eq!(told, rows.len() as u64, "what is recorded");
    let names: Vec<&str> = page.schema.fields().iter().map(|field| field.name().as_str()).collect();
    (format!("{names:?} {rows:?} {:?} {} {}", page.positions, page.matches, page.total), page.stats.bytes_read())
}

#[tokio::test]
async fn a_warm_page_is_the_cold_one_and_reads_nothing() {
    let lab = lab();
    let cold = lab.engine_with(QueryOptions { page_cache_bytes: 0, ..QueryOptions::default() });
    for view in views() {
        for (offset, rows) in
            [(0, 100), (1_950, 100), (3_999, 1), (8_990, 100), (17_990, 100), (18_000, 5), (99_999, 5)]
        {
            let (wanted, _) = read(&cold, &lab, &view, offset, rows).await;
            for again in [false, true] {
                let (found, bytes) = read(&lab.engine, &lab, &view, offset, rows).await;
                assert_eq!(found, wanted, "{view:?} from {offset}, again: {again}");
                assert!(!again || bytes == 0, "{bytes} bytes were read for {view:?} from {offset}");
            }
        }
    }
    // its neighbour lies in the same block
    assert_eq!(read(&lab.engine, &lab, &views()[0], 100, 100).await.1, 0);
    assert!(read(&cold, &lab, &views()[0], 100, 100).await.1 > 0);
}

#[tokio::test]
async fn little_memory_is_enough_and_views_too_long_to_keep_are_read() {
    let lab = lab();
    let cold = lab.engine_with(QueryOptions { page_cache_bytes: 0, ..QueryOptions::default() });
    let small =
        lab.engine_with(QueryOptions { page_cache_bytes: 64 << 10, parse_cache_bytes: 0, ..QueryOptions::default() });
    let long = View { filter: format!("r.n > 5 {}", " ".repeat(5_000)), ..views().remove(0) };
    for view in views().iter().chain([&long]) {
        for offset in [0, 2_500, 0, 17_999] {
            assert_eq!(read(&small, &lab, view, offset, 50).await.0, read(&cold, &lab, view, offset, 50).await.0);
        }
    }
}

/// A catalogue for somebody who may see nothing.
struct Closed;

#[async_trait]
impl Catalog for Closed {
    async fn resolve(&self, _: &DatasetRef, _: Option<&str>) -> Result<Resolved, CatalogError> {
        Err(not_found(Vec::new()))
    }
}

#[tokio::test]
async fn what_was_read_for_one_is_not_shown_to_another() {
    let lab = lab();
    for view in views() {
        read(&lab.engine, &lab, &view, 0, 100).await;
        let refused = lab.engine.page(&view, 0, 100, None, &Closed).await.unwrap_err();
        assert!(matches!(refused, QueryError::NotFound { .. }), "{refused:?}");
        let refused = lab.engine.statistics(&view, None, &Closed).await.unwrap_err();
        assert!(matches!(refused, QueryError::NotFound { .. }), "{refused:?}");
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn what_is_warm_is_shown_when_the_chunks_are_gone_and_the_rest_says_so_until_they_are_back() {
    let lab = lab();
    let view = &views()[0];
    let warm = read(&lab.engine, &lab, view, 0, 100).await.0;
    let chunks: Vec<(PathBuf, Vec<u8>)> = files(&lab.dir.path().join("blobs"))
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    assert!(!chunks.is_empty());
    for (path, _) in &chunks {
        std::fs::remove_file(path).unwrap();
    }
    // a version never changes, so what was read of it stays right; no other reader is harmed by what cannot be read
    for _ in 0..2 {
        assert_eq!(read(&lab.engine, &lab, view, 0, 100).await.0, warm);
        let error = lab.engine.page(view, 9_000, 100, None, &lab).await.unwrap_err();
        assert!(error.to_string().contains("chunk"), "{error}");
    }
    for (path, bytes) in &chunks {
        std::fs::write(path, bytes).unwrap();
    }
    let cold = lab.engine_with(QueryOptions { page_cache_bytes: 0, ..QueryOptions::default() });
    assert_eq!(read(&lab.engine, &lab, view, 9_000, 100).await.0, read(&cold, &lab, view, 9_000, 100).await.0);
}
