//! From a manifest to a table: which files are meant, and what schema they have. Owns the messages about files that
//! are no table, and the cache of schemas that the manifest cannot hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bib_chunks::{ChunkStore, ColumnType, EntryKind, Manifest, TableSchema};
use bib_domain::ContentHash;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::execution::SessionState;

use super::fault::ReadFault;
use super::file::ChunkFile;
use super::ipc::ipc_schema;
use super::media::Media;
use super::objects::meta;
use super::parquet::check_footer;
use super::provider::{ChunkTable, FOOTER_GUESS};
use super::reads::Reads;
use crate::error::QueryError;
use crate::lang::nearest;
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
            let file = ChunkFile::new(store, &manifest.chunks, entry).map_err(Refusal::Fault)?;
            Ok(Arc::new(if whole { file } else { file.partly() }))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let first = &files[0];
    let kind = std::mem::discriminant(&first.media);
    let alike = |file: &Arc<ChunkFile>| std::mem::discriminant(&file.media) == kind && columns(file) == columns(first);
    if let Some(other) = files.iter().find(|file| !alike(file)) {
        let message = format!(
            "the dataset has {} tables that do not fit together: {}; {:?} and {:?} differ in format or columns",
            files.len(),
            list(&files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>()),
            first.path,
            other.path
        );
        let suggestion = format!("name one: dataset(\"{}\", \"{}\")", manifest.dataset, first.path);
        return Err(Refusal::Name { message, suggestion });
    }
    Ok(files)
}

/// Why no table was chosen.
pub(crate) enum Refusal {
    /// The name of the file or the lack of one is at fault.
    Name {
        message: String,
        suggestion: String,
    },
    Fault(ReadFault),
}

fn columns(file: &ChunkFile) -> Option<&[bib_chunks::Column]> {
    file.schema.as_ref().map(|schema| schema.columns.as_slice())
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

/// Opens a table over `files`, which are of one kind.
pub(crate) async fn open_table(
    state: &SessionState,
    reads: &Reads,
    cache: &SchemaCache,
    files: Vec<Arc<ChunkFile>>,
    options: &QueryOptions,
) -> Result<ChunkTable, QueryError> {
    let first = Arc::clone(&files[0]);
    let schema = match first.media {
        Media::Parquet => parquet_schema(state, reads, &files).await?,
        Media::ArrowFile | Media::ArrowStream => {
            let (reader, stream) = (reads.reader(&first), first.media == Media::ArrowStream);
            reads.run(&first.path, move || ipc_schema(reader, stream)).await?
        }
        Media::JsonLines if is_nested(&first) => nested_schema(reads, cache, &first).await?,
        _ => Arc::new(text_schema(first.schema.as_ref())),
    };
    Ok(ChunkTable::new(schema, files, reads.clone(), options.batch_rows, options))
}

async fn parquet_schema(
    state: &SessionState,
    reads: &Reads,
    files: &[Arc<ChunkFile>],
) -> Result<SchemaRef, QueryError> {
    for file in files {
        check_footer(reads, file).await?;
    }
    let store = state.runtime_env().object_store(ChunkTable::url()).map_err(|e| crate::stream::convert(&e, 0))?;
    let metas: Vec<_> = files.iter().map(|file| meta(file)).collect();
    let format = ParquetFormat::default().with_skip_metadata(true).with_metadata_size_hint(Some(FOOTER_GUESS));
    format.infer_schema(state, &store, &metas).await.map_err(|error| match crate::stream::convert(&error, 0) {
        fault @ QueryError::Data { .. } => fault,
        _ => QueryError::Data {
            file: files[0].path.clone(),
            detail: format!("its Parquet footer is damaged ({error}); make the file again and publish it"),
        },
    })
}

fn is_nested(file: &ChunkFile) -> bool {
    let nested = |column: &bib_chunks::Column| matches!(column.data_type, ColumnType::List | ColumnType::Struct);
    file.schema.as_ref().is_some_and(|schema| schema.columns.iter().any(nested))
}

/// The manifest says that a column is nested, not what is in it; so the file is read once and its schema kept.
async fn nested_schema(reads: &Reads, cache: &SchemaCache, file: &Arc<ChunkFile>) -> Result<SchemaRef, QueryError> {
    if let Some(schema) = cache.get(&file.content) {
        return Ok(schema);
    }
    let reader = reads.reader(file);
    let schema = reads.run(&file.path, move || crate::detect::json_schema(reader)).await?;
    cache.put(file.content, &schema);
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

/// Schemas of files by their content, the least recently used forgotten first.
#[derive(Debug)]
pub(crate) struct SchemaCache {
    known: Mutex<VecDeque<(ContentHash, SchemaRef)>>,
    most: usize,
}

impl SchemaCache {
    pub(crate) fn new(most: usize) -> Self {
        Self { known: Mutex::default(), most }
    }

    fn get(&self, content: &ContentHash) -> Option<SchemaRef> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|(hash, _)| hash == content)?;
        let entry = known.remove(at)?;
        let schema = Arc::clone(&entry.1);
        known.push_back(entry);
        Some(schema)
    }

    fn put(&self, content: ContentHash, schema: &SchemaRef) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.most {
            known.pop_front();
        }
        known.push_back((content, Arc::clone(schema)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
