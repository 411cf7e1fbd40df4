//! What a file is, and the table in it, found when data comes in. Owns media types and schemas; the same rules as
//! queries read by, so that no query has to guess. Blocking: call it on a thread for that.

mod csv;
mod error;
mod guess;
mod ipc;
mod json;
mod json_type;
mod media;
mod notice;
mod parquet;
mod text;

use std::collections::HashSet;
use std::sync::Arc;

use bib_chunks::{ChunkRef, ChunkStore, Column, ColumnType, Entry, TableSchema};

pub use error::DetectError;
pub(crate) use json::json_shape;
pub(crate) use json_type::Shape;
pub use media::detect;
pub(crate) use notice::notice;

use crate::lang::Ty;
use crate::table::{ChunkFile, ChunkReader, Media};

/// Columns that a table may have. More is not a table but a matrix, and each costs in every manifest.
const MAX_COLUMNS: usize = 10_000;

/// Bytes of a column's name. A longer one is a text that came where the names are expected.
const MAX_NAME: usize = 1024;

/// Bytes of a file's head from which its kind is told.
const HEAD: u64 = 64 << 10;

/// What a file is.
#[derive(Debug)]
pub struct Described {
    /// Its media type, with the parameters that reading it as a table needs.
    pub media_type: String,
    /// The table in it, none if it is no table, or why it cannot be read as the table that it seems to be.
    pub table: Result<Option<TableSchema>, DetectError>,
    /// What its owner should know where it holds a table that queries cannot read as it is.
    pub notice: Option<String>,
}

/// Detects the media type of a file whose chunks are in the store, and the schema of its table. Blocks; reads a CSV or
/// JSON-lines file once, of a Parquet file only the footer; memory does not grow with the file.
#[must_use]
pub fn describe(store: &ChunkStore, chunks: &[ChunkRef], entry: &Entry) -> Described {
    let file = match ChunkFile::new(store, chunks, entry) {
        Ok(file) => file,
        Err(fault) => {
            return Described { media_type: String::new(), table: Err(DetectError::from_fault(fault)), notice: None };
        }
    };
    let head = match file.read(store, 0..HEAD) {
        Ok(head) => head,
        Err(fault) => {
            return Described { media_type: String::new(), table: Err(DetectError::from_fault(fault)), notice: None };
        }
    };
    let media_type = detect(&entry.path, &head);
    let mut media = Media::parse(&media_type);
    if media == Media::Other {
        // of documents only a list is a table
        let plain = media_type == "application/json" && !head.trim_ascii_start().starts_with(b"[");
        let notice = if plain { None } else { notice(&entry.path, &media_type) };
        return Described { media_type, table: Ok(None), notice };
    }
    let table = infer(store, Arc::new(file), &mut media);
    // reading it all may have told more than its head
    Described { media_type: media.to_string(), table, notice: None }
}

/// The schema of the table in a file that [`detect`] gave `media_type`; none if it is no table or has no rows and no
/// columns. Blocks; see [`describe`], which also notes what speeds up later reads.
///
/// # Errors
/// [`DetectError`] when the file is not whole or not of one shape: which line or part, and what to do.
pub fn infer_schema(
    store: &ChunkStore,
    chunks: &[ChunkRef],
    entry: &Entry,
    media_type: &str,
) -> Result<Option<TableSchema>, DetectError> {
    let file = ChunkFile::new(store, chunks, entry).map_err(DetectError::from_fault)?;
    infer(store, Arc::new(file), &mut Media::parse(media_type))
}

fn infer(store: &ChunkStore, file: Arc<ChunkFile>, media: &mut Media) -> Result<Option<TableSchema>, DetectError> {
    if file.size == 0 {
        return Ok(None);
    }
    let reader = ChunkReader::new(store.clone(), Arc::clone(&file), Arc::default());
    let table = match media {
        Media::Csv(dialect) => csv::infer(reader, dialect)?,
        Media::JsonLines => json::infer(reader)?,
        Media::Parquet => parquet::infer(store, &file)?,
        Media::ArrowFile => ipc::infer(reader, false)?,
        Media::ArrowStream => ipc::infer(reader, true)?,
        Media::Other => return Ok(None),
    };
    match table.as_ref().and_then(|table| unfit(&table.columns)) {
        Some(detail) => Err(DetectError::broken(&file.path, detail)),
        None => Ok(table),
    }
}

/// Why no query could name these columns.
fn unfit(columns: &[Column]) -> Option<String> {
    if columns.len() > MAX_COLUMNS {
        return Some(format!("it has {} columns, a table has at most {MAX_COLUMNS}", columns.len()));
    }
    let mut names = HashSet::new();
    columns.iter().enumerate().find_map(|(at, column)| {
        let (name, number) = (&column.name, at + 1);
        if name.len() > MAX_NAME {
            let bytes = name.len();
            return Some(format!(
                "the name of its column {number} has {bytes} bytes and at most {MAX_NAME} fit; shorten it"
            ));
        }
        let again = !names.insert(name.as_str());
        again.then(|| format!("it has two columns with the name {name:?}, the second is column {number}; rename one"))
    })
}

/// The manifest's columns for an Arrow schema.
fn columns_of(schema: &arrow::datatypes::Schema) -> Vec<Column> {
    schema
        .fields()
        .iter()
        .map(|field| Column {
            name: field.name().clone(),
            data_type: column_type(&Ty::of_arrow(field.data_type())),
            nullable: field.is_nullable(),
        })
        .collect()
}

fn column_type(ty: &Ty) -> ColumnType {
    match ty {
        Ty::Bool => ColumnType::Bool,
        Ty::Int => ColumnType::Int,
        Ty::Double => ColumnType::Double,
        Ty::Timestamp => ColumnType::Timestamp,
        Ty::Date => ColumnType::Date,
        Ty::Bytes => ColumnType::Bytes,
        Ty::List(_) => ColumnType::List,
        Ty::Struct(_) | Ty::Map(_) => ColumnType::Struct,
        // the words of the manifest are fewer than Arrow's types
        Ty::String | Ty::Null | Ty::Duration | Ty::Opaque(_) => ColumnType::String,
    }
}
