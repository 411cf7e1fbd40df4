//! Chunks that are missing or damaged, and catalogues that do not answer.

use std::sync::Arc;

use async_trait::async_trait;
use bib_domain::DatasetRef;
use bib_query::{Catalog, CatalogError, Elsewhere, QueryError, Resolved};

use crate::support::{Lab, not_found};

struct Answer(CatalogError);

#[async_trait]
impl Catalog for Answer {
    async fn resolve(&self, _: &DatasetRef, _: Option<&str>) -> Result<Resolved, CatalogError> {
        Err(self.0.clone())
    }
}

#[tokio::test]
async fn what_the_catalogue_says_is_passed_on() {
    let lab = Lab::new();
    let ask = |answer: CatalogError| {
        let lab = &lab;
        async move { lab.engine.query("dataset(\"a/b\")", None, None, &Answer(answer)).await.unwrap_err() }
    };
    let error = ask(CatalogError::Other("the guardian is restarting".to_owned())).await;
    assert!(matches!(error, QueryError::Catalog(_)));
    let error = ask(not_found(vec!["a/c".to_owned(), "a/d".to_owned()])).await;
    assert_eq!(error.to_string(), "dataset \"a/b\" was not found; did you mean \"a/c\" or \"a/d\"?");
    let nowhere = |elsewhere| CatalogError::NotFound { suggestions: Vec::new(), elsewhere };
    let error = ask(nowhere(Elsewhere::Nobody { asked: 2 })).await.to_string();
    assert!(error.contains("was not found here, nor on the 2 nodes that are connected; `bib dataset list`"), "{error}");
    let error = ask(nowhere(Elsewhere::Unconnected { paired: 1 })).await.to_string();
    assert!(error.contains("none of the 1 paired nodes is connected") && error.contains("bib node connect"), "{error}");
}

#[tokio::test]
async fn damaged_and_missing_chunks() {
    let rows: String = (0..10_000).map(|n| format!("{n},{}\n", n * 7919 % 10_007)).collect();
    for (file, expression) in [("t.csv", "dataset(\"data/t\")"), ("t.parquet", "dataset(\"data/t\")")] {
        let csv = format!("n,m\n{rows}");
        let parquet = {
            use arrow::array::{ArrayRef, Int64Array, RecordBatch};
            let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..10_000).map(|n| n * 7919 % 10_007)));
            crate::parquet_files::parquet(&RecordBatch::try_from_iter([("m", column)]).unwrap(), 100_000)
        };
        let bytes = if file == "t.csv" { csv.as_bytes() } else { &parquet };
        let lab = Lab::one(file, bytes);
        let chunk = walk(lab.dir.path()).into_iter().max_by_key(|path| path.metadata().unwrap().len()).unwrap();
        let mut hurt = std::fs::read(&chunk).unwrap();
        let middle = hurt.len() / 2;
        hurt[middle] ^= 1;
        // a file of another time stamp, so that it is hashed again
        std::fs::remove_file(&chunk).unwrap();
        std::fs::write(&chunk, hurt).unwrap();
        let error = lab.try_rows(expression).await.unwrap_err();
        let QueryError::Data { file: named, detail } = &error else { panic!("{error:?}") };
        assert_eq!(named, file);
        assert!(detail.contains("is damaged on the disk") && detail.contains("fetch it again from a peer"), "{detail}");
        let kept = walk(lab.dir.path()).into_iter().filter(|path| path.to_string_lossy().contains("quarantine"));
        assert_eq!(kept.count(), 1, "the damage was found, and what was found is kept");
        let error = lab.try_rows(expression).await.unwrap_err().to_string();
        assert!(error.contains("is damaged on the disk (its file is in quarantine"), "{error}");
    }
}

pub(crate) fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
