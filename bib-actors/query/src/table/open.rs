//! From a manifest to a table: which files are meant, and what schema they have. Owns the messages about files that
//! are no table, and the cache of schemas that the manifest cannot hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bib_chunks::{ChunkStore, ColumnType, EntryKind, Manifest, TableSchema, hash_of};
use bib_domain::ChunkHash;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::execution::SessionState;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::fault::ReadFault;
use super::file::ChunkFile;
use super::ipc::ipc_schema;
use super::media::Media;
use super::objects::meta;
use super::parquet::check_footer;
use super::provider::{ChunkTable, FOOTER_GUESS, INT96_UNIT};
use super::reads::Reads;
use super::schemas::{of_batches, of_parquet};
use crate::detect::{Shape, json_shape};
use crate::error::QueryError;
use crate::lang::{RawQuery, nearest};
use crate::options::QueryOptions;

/// Files that a message lists at most.
const LISTED: usize = 10;

/// The files of the dataset that a query means; `whole` says whether all chunks of the version ought to be here.
pub(crate) fn choose_files(
    store: &ChunkStore,
    manifest: &Manifest,
    whole: bool,
    wanted: Option<&str>,
) -> Result<Vec<Arc<ChunkFile>>, Refusal> {
    let is_table = |entry: &&bib_chunks::Entry| matches!(&entry.kind, EntryKind::File { schema: Some(_), .. });
    let tables: Vec<_> = manifest.entries.iter().filter(is_table).collect();
    let paths: Vec<&str> = tables.iter().map(|entry| entry.path.as_str()).collect();
    let chosen: Vec<_> = match wanted {
        None => tables.clone(),
        Some(pattern) => tables.iter().copied().filter(|entry| matches_path(pattern, &entry.path)).collect(),
    };
    if chosen.is_empty() {
        return Err(nothing_chosen(manifest, wanted, &paths));
    }
    let files = chosen
        .iter()
        .map(|entry| {
            let file = ChunkFile::new(store, &manifest.chunks, entry)?;
            Ok::<_, Refusal>(Arc::new(if whole { file } else { file.partly() }))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let first = &files[0];
    let kind = std::mem::discriminant(&first.media);
    let alike = |file: &Arc<ChunkFile>| std::mem::discriminant(&file.media) == kind && columns(file).eq(columns(first));
    if let Some(other) = files.iter().find(|file| !alike(file)) {
        let message = format!(
            "the dataset has {} tables that do not fit together: {}; {:?} and {:?} differ in format or columns",
            files.len(),
            list(&files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>()),
            first.path,
            other.path
        );
        return Err(Refusal::differ(message, &manifest.dataset, &first.path));
    }
    Ok(files)
}

/// Why no table was chosen, or the chosen one could not be opened.
pub(crate) enum Refusal {
    /// The name of the file or the lack of one is at fault.
    Name {
        message: String,
        suggestion: String,
    },
    Fault(ReadFault),
    Other(QueryError),
}

impl Refusal {
    /// Files of `dataset` that do not fit together, of which `path` is the first.
    fn differ(message: String, dataset: &str, path: &str) -> Self {
        Self::Name { message, suggestion: format!("name one: dataset(\"{dataset}\", \"{path}\")") }
    }

    /// As an error of `query`, which names the files.
    pub(crate) fn of(self, query: &RawQuery) -> QueryError {
        match self {
            Self::Name { message, suggestion } => {
                let at = if query.file.is_some() { query.file_at } else { query.at };
                query.source.invalid_with(at, message, suggestion).into()
            }
            Self::Fault(fault) => fault.into(),
            Self::Other(error) => error,
        }
    }
}

impl From<ReadFault> for Refusal {
    fn from(fault: ReadFault) -> Self {
        Self::Fault(fault)
    }
}

/// Names and types; whether a value is missing in one file says nothing about another.
fn columns(file: &ChunkFile) -> impl Iterator<Item = (&str, ColumnType)> {
    let columns = file.schema.iter().flat_map(|schema| &schema.columns);
    columns.map(|column| (column.name.as_str(), column.data_type))
}

fn nothing_chosen(manifest: &Manifest, wanted: Option<&str>, tables: &[&str]) -> Refusal {
    let files: Vec<&str> =
        manifest.entries.iter().filter(|entry| entry.is_file()).map(|entry| entry.path.as_str()).collect();
    match wanted {
        Some(path) if files.contains(&path) => Refusal::Name {
            message: format!("{path:?} is in the dataset, but it was not understood as a table when it came in"),
            suggestion: why_no_table(manifest, path).unwrap_or_else(|| {
                "tables are CSV, JSON lines, Parquet and Arrow files; upload the file again to see why it is not one"
                    .to_owned()
            }),
        },
        Some(path) => {
            let near = nearest(path, files.iter().copied());
            let suggestion = match near.first() {
                Some(name) => format!("did you mean {name:?}?"),
                None if tables.is_empty() => "the dataset has no table".to_owned(),
                None => format!("its tables are {}", list(tables)),
            };
            Refusal::Name { message: format!("there is no file {path:?} in the dataset"), suggestion }
        }
        None => Refusal::Name {
            message: format!("{} has no table to query", manifest.dataset),
            suggestion: match files.as_slice() {
                [] => "it holds no files".to_owned(),
                [one] => match why_no_table(manifest, one) {
                    Some(why) => format!("its file is {one:?}: {why}"),
                    None => format!("its file is {one:?}; tables are CSV, JSON lines, Parquet and Arrow files"),
                },
                _ => format!("its files are {}; tables are CSV, JSON lines, Parquet and Arrow files", list(&files)),
            },
        },
    }
}

/// What is known about a file that is no table, from its kind.
fn why_no_table(manifest: &Manifest, path: &str) -> Option<String> {
    match &manifest.entry(path)?.kind {
        EntryKind::File { media_type, .. } => crate::detect::notice(path, media_type),
        _ => None,
    }
}

fn list(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("{name:?}")).collect();
    let more = names.len().saturating_sub(LISTED);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// Whether a path is meant: the same text, or a pattern in which `*` stands for any text without a slash.
fn matches_path(pattern: &str, path: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == path };
    let Some(tail) = path.strip_prefix(head) else { return false };
    let ends = tail.char_indices().map(|(at, _)| at).chain([tail.len()]);
    ends.take_while(|&at| !tail[..at].contains('/')).any(|at| matches_path(rest, &tail[at..]))
}

/// Opens a table over `files` of `dataset`, which are of one kind.
pub(crate) async fn open_table(
    state: &SessionState,
    reads: &Reads,
    cache: &SchemaCache,
    dataset: &str,
    files: Vec<Arc<ChunkFile>>,
    options: &QueryOptions,
) -> Result<ChunkTable, Refusal> {
    let first = Arc::clone(&files[0]);
    let schema = match first.media {
        Media::Parquet => parquet_schema(state, reads, dataset, &files).await?,
        Media::ArrowFile | Media::ArrowStream => batch_schema(reads, dataset, &files, options.partitions).await?,
        Media::JsonLines if is_nested(&first) => {
            nested_schema(reads, cache, dataset, &files, options.partitions).await?
        }
        _ => Arc::new(text_schema(first.schema.as_ref())),
    };
    Ok(ChunkTable::new(schema, files, reads.clone(), options.batch_rows, options))
}

async fn parquet_schema(
    state: &SessionState,
    reads: &Reads,
    dataset: &str,
    files: &[Arc<ChunkFile>],
) -> Result<SchemaRef, Refusal> {
    for file in files {
        check_footer(reads, file).await?;
    }
    let store = state.runtime_env().object_store(ChunkTable::url());
    let store = store.map_err(|error| Refusal::Other(crate::stream::convert(&error, 0)))?;
    let format = ParquetFormat::default()
        .with_skip_metadata(true)
        .with_metadata_size_hint(Some(FOOTER_GUESS))
        .with_coerce_int96(Some(INT96_UNIT.to_owned()));
    let metas: Vec<_> = files.iter().map(|file| meta(file)).collect();
    let error = match format.infer_schema(state, &store, &metas).await {
        Ok(schema) => return Ok(schema),
        Err(error) => error,
    };
    let damaged = |file: &ChunkFile, error: &DataFusionError| {
        let detail = || format!("its Parquet footer is damaged ({error}); make the file again and publish it");
        Refusal::Fault(ReadFault::find(error).unwrap_or_else(|| ReadFault::new(&file.path, detail())))
    };
    if ReadFault::find(&error).is_some() {
        return Err(damaged(&files[0], &error));
    }
    // which file it is that is damaged or differs; the footers are in memory by now
    let mut known = Vec::with_capacity(files.len());
    for (file, meta) in files.iter().zip(metas) {
        let schema = format.infer_schema(state, &store, &[meta]).await.map_err(|error| damaged(file, &error))?;
        known.push((file.path.clone(), schema));
    }
    match of_parquet(&known) {
        Some(message) => Err(Refusal::differ(message, dataset, &files[0].path)),
        None => Err(damaged(&files[0], &error)),
    }
}

/// Every file says what its batches are, and a query must not find out midway that they differ.
async fn batch_schema(
    reads: &Reads,
    dataset: &str,
    files: &[Arc<ChunkFile>],
    at_once: usize,
) -> Result<SchemaRef, Refusal> {
    let schema = |file: &Arc<ChunkFile>| {
        let (reads, reader, path) = (reads.clone(), reads.reader(file), file.path.clone());
        let stream = file.media == Media::ArrowStream;
        async move { Ok::<_, ReadFault>((path.clone(), reads.run(&path, move || ipc_schema(reader, stream)).await?)) }
    };
    let schemas: Vec<_> = files.iter().map(schema).collect();
    let known: Vec<_> = stream::iter(schemas).buffered(at_once.max(1)).try_collect().await?;
    of_batches(&known).map_err(|message| Refusal::differ(message, dataset, &files[0].path))
}

fn is_nested(file: &ChunkFile) -> bool {
    let nested = |column: &bib_chunks::Column| matches!(column.data_type, ColumnType::List | ColumnType::Struct);
    file.schema.as_ref().is_some_and(|schema| schema.columns.iter().any(nested))
}

/// The manifest says that a column is nested, not what is in it; so each file is read once and their schema kept. Types
/// are widened over all files as they are over the lines of one.
async fn nested_schema(
    reads: &Reads,
    cache: &SchemaCache,
    dataset: &str,
    files: &[Arc<ChunkFile>],
    at_once: usize,
) -> Result<SchemaRef, Refusal> {
    let contents: Vec<u8> = files.iter().flat_map(|file| *file.content.as_bytes()).collect();
    // a key of one size, however many files there are
    let contents = hash_of(&contents);
    if let Some(schema) = cache.get(contents) {
        return Ok(schema);
    }
    let shape = |file: &Arc<ChunkFile>| {
        let (reads, reader, path) = (reads.clone(), reads.reader(file), file.path.clone());
        async move { Ok::<_, ReadFault>((reads.run(&path, move || json_shape(reader)).await?, path)) }
    };
    let shapes: Vec<_> = files.iter().map(shape).collect();
    let mut shapes = stream::iter(shapes).buffered(at_once.max(1));
    let mut all = Shape::default();
    while let Some((shape, path)) = shapes.try_next().await? {
        let first = &files[0].path;
        all.merge(&shape).map_err(|why| {
            Refusal::differ(format!("{path:?} does not fit together with {first:?}: it has {why}"), dataset, first)
        })?;
    }
    let schema = Arc::new(all.to_schema());
    cache.put(contents, &schema);
    Ok(schema)
}

/// The Arrow schema of a file of text.
fn text_schema(schema: Option<&TableSchema>) -> Schema {
    let columns = schema.map(|schema| schema.columns.as_slice()).unwrap_or_default();
    let field = |column: &bib_chunks::Column| {
        let data_type = match column.data_type {
            ColumnType::Int => DataType::Int64,
            ColumnType::Double => DataType::Float64,
            ColumnType::Bool => DataType::Boolean,
            ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ColumnType::Date => DataType::Date32,
            ColumnType::Bytes => DataType::Binary,
            ColumnType::String | ColumnType::List | ColumnType::Struct => DataType::Utf8,
        };
        Field::new(&column.name, data_type, true)
    };
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

/// Schemas of tables by the contents of their files, the least recently used forgotten first.
#[derive(Debug)]
pub(crate) struct SchemaCache {
    /// By the SHA-256 over the hashes of their contents.
    known: Mutex<VecDeque<(ChunkHash, SchemaRef)>>,
    most: usize,
}

impl SchemaCache {
    pub(crate) fn new(most: usize) -> Self {
        Self { known: Mutex::default(), most }
    }

    fn get(&self, contents: ChunkHash) -> Option<SchemaRef> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|(hash, _)| *hash == contents)?;
        let entry = known.remove(at)?;
        let schema = Arc::clone(&entry.1);
        known.push_back(entry);
        Some(schema)
    }

    fn put(&self, contents: ChunkHash, schema: &SchemaRef) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most {
            known.pop_front();
        }
        known.push_back((contents, Arc::clone(schema)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_used_least_recently_is_forgotten() {
        let cache = SchemaCache::new(2);
        let of = |name: &str| Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, true)]));
        // in another order they are another table
        let [a, b, c] = ["12", "21", "123"].map(|contents| hash_of(contents.as_bytes()));
        cache.put(a, &of("a"));
        cache.put(b, &of("b"));
        assert_eq!(cache.get(a), Some(of("a")));
        cache.put(c, &of("c"));
        assert_eq!((cache.get(a), cache.get(b), cache.get(c)), (Some(of("a")), None, Some(of("c"))));
    }

    #[test]
    fn a_star_stays_in_its_folder() {
        assert!(matches_path("a/b.csv", "a/b.csv"));
        assert!(matches_path("a/*.csv", "a/b.csv"));
        assert!(matches_path("*/x-*.csv", "2013/x-01.csv"));
        assert!(!matches_path("*.csv", "a/b.csv"));
        assert!(!matches_path("a/*.csv", "a/b.tsv"));
        assert!(!matches_path("a.csv", "a.csv.gz"));
    }
}
