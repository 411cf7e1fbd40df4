//! Rows as the bytes of a file, batch by batch. Owns the formats; holds one batch, or one row group of Parquet.
//!
//! CSV cannot tell a missing value from an empty text: both are an empty field. Spreadsheet programs run a field as a
//! formula when it begins with `=`, `+`, `-` or `@`; plain CSV leaves texts as they are, because a copy must be one, and
//! the form for spreadsheets puts an apostrophe before them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::QueryError;

/// The form of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// Comma-separated, as it is in the data.
    Csv,
    /// Comma-separated, and no text is a formula.
    SpreadsheetCsv,
    /// One JSON object a line.
    JsonLines,
    /// Parquet, compressed with zstd.
    Parquet,
}

impl ExportFormat {
    /// All of them with their names.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("csv", Self::Csv),
        ("spreadsheet-csv", Self::SpreadsheetCsv),
        ("jsonl", Self::JsonLines),
        ("parquet", Self::Parquet),
    ];

    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// How names of such files end.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv | Self::SpreadsheetCsv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
        }
    }

    /// The media type of such files.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv | Self::SpreadsheetCsv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => crate::table::JSON_LINES,
            Self::Parquet => crate::table::PARQUET,
        }
    }
}

/// Makes the bytes of a file from batches.
pub struct Exporter {
    writer: Writer,
    schema: SchemaRef,
    made: Made,
    guarded: bool,
    group_bytes: usize,
}

enum Writer {
    Csv { writer: Box<arrow::csv::Writer<Made>>, begun: bool },
    JsonLines(Box<arrow::json::LineDelimitedWriter<Made>>),
    Parquet(Box<ArrowWriter<Made>>),
}

/// Bytes that were made and not taken yet.
#[derive(Debug, Clone, Default)]
struct Made(Arc<Mutex<Vec<u8>>>);

impl Made {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Made {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Exporter {
    /// Begins a file. A Parquet row group is written when it has `group_bytes`.
    ///
    /// # Errors
    /// When the format cannot hold such columns.
    pub fn new(format: ExportFormat, schema: &SchemaRef, group_bytes: usize) -> Result<Self, QueryError> {
        let made = Made::default();
        let guarded = format == ExportFormat::SpreadsheetCsv;
        let schema = match format {
            ExportFormat::Csv | ExportFormat::SpreadsheetCsv => Arc::new(flat_schema(schema, guarded)),
            _ => Arc::clone(schema),
        };
        let writer = match format {
            ExportFormat::Csv | ExportFormat::SpreadsheetCsv => {
                let writer = arrow::csv::WriterBuilder::new().with_header(true).build(made.clone());
                Writer::Csv { writer: Box::new(writer), begun: false }
            }
            ExportFormat::JsonLines => {
                let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
                Writer::JsonLines(Box::new(builder.build(made.clone())))
            }
            ExportFormat::Parquet => {
                let properties =
                    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
                let writer = ArrowWriter::try_new(made.clone(), Arc::clone(&schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(|error| unfit_parquet(&error))?))
            }
        };
        Ok(Self { writer, schema, made, guarded, group_bytes })
    }

    /// The bytes that this batch adds; none as long as they are held for a row group. Computes, so it belongs on a
    /// thread for that.
    ///
    /// # Errors
    /// When a value cannot be written in the format.
    pub fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        match &mut self.writer {
            Writer::Csv { writer, begun } => {
                *begun = true;
                let flat = flat(batch, &self.schema, self.guarded).map_err(|error| unfit(&error))?;
                writer.write(&flat).map_err(|error| unfit(&error))?;
            }
            Writer::JsonLines(writer) => writer.write(batch).map_err(|error| unfit(&error))?,
            Writer::Parquet(writer) => {
                writer.write(batch).map_err(|error| unfit_parquet(&error))?;
                if writer.memory_size() >= self.group_bytes {
                    writer.flush().map_err(|error| unfit_parquet(&error))?;
                }
            }
        }
        Ok(self.made.take())
    }

    /// The bytes that end the file.
    ///
    /// # Errors
    /// As [`Self::batch`].
    pub fn finish(self) -> Result<Vec<u8>, QueryError> {
        match self.writer {
            Writer::Csv { mut writer, begun } => {
                if !begun {
                    // the header
                    writer.write(&RecordBatch::new_empty(self.schema)).map_err(|error| unfit(&error))?;
                }
                drop(writer);
            }
            Writer::JsonLines(mut writer) => writer.finish().map_err(|error| unfit(&error))?,
            Writer::Parquet(writer) => drop(writer.close().map_err(|error| unfit_parquet(&error))?),
        }
        Ok(self.made.take())
    }
}

fn unfit(error: &ArrowError) -> QueryError {
    let detail =
        format!("the rows cannot be written in this format ({error}); leave the column out, or choose another");
    QueryError::Computation { detail }
}

fn unfit_parquet(error: &ParquetError) -> QueryError {
    unfit(&ArrowError::ParquetError(error.to_string()))
}

/// Columns as CSV can hold them: nested values are JSON.
fn flat_schema(schema: &Schema, guarded: bool) -> Schema {
    let field = |field: &Arc<Field>| {
        let name = if guarded { guard(field.name()) } else { field.name().clone() };
        let text = field.data_type().is_nested() || is_text(field.data_type());
        Field::new(name, if text { DataType::Utf8 } else { field.data_type().clone() }, true)
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}

fn flat(batch: &RecordBatch, schema: &SchemaRef, guarded: bool) -> Result<RecordBatch, ArrowError> {
    let flat = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        let data_type = column.data_type();
        if data_type.is_nested() {
            return Ok(Arc::new(json_texts(column)?));
        }
        if !is_text(data_type) {
            return Ok(Arc::clone(column));
        }
        let texts = cast(column, &DataType::Utf8)?;
        if !guarded {
            return Ok(texts);
        }
        let texts = texts.as_string::<i32>().iter().map(|text| text.map(guard));
        Ok(Arc::new(texts.collect::<StringArray>()))
    };
    let columns = batch.columns().iter().map(flat).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// The text, with an apostrophe before what a spreadsheet would run.
fn guard(text: &str) -> String {
    let runs = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if runs { format!("'{text}") } else { text.to_owned() }
}

/// Each value as JSON, missing ones as missing.
fn json_texts(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let field = Field::new("v", column.data_type().clone(), true);
    let one = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::clone(column)])?;
    let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(Vec::new());
    writer.write(&one)?;
    writer.finish()?;
    let lines = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    let value = |line: &str| line.strip_prefix("{\"v\":").and_then(|line| line.strip_suffix("}")).map(str::to_owned);
    Ok(lines.lines().map(|line| value(line).filter(|value| value != "null")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray, StringViewArray};
    use arrow::datatypes::Int64Type;

    fn batch() -> RecordBatch {
        let names: ArrayRef = Arc::new(StringViewArray::from(vec![Some("=1+1"), None, Some("a,\"b\"")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(-5), Some(2), None]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
        ]));
        RecordBatch::try_from_iter_with_nullable([("name", names, true), ("n", numbers, true), ("l", lists, true)])
            .unwrap()
    }

    fn export(format: ExportFormat, batches: &[RecordBatch]) -> Vec<u8> {
        let mut exporter = Exporter::new(format, &batch().schema(), 1 << 20).unwrap();
        let mut bytes = Vec::new();
        for batch in batches {
            bytes.extend(exporter.batch(batch).unwrap());
        }
        bytes.extend(exporter.finish().unwrap());
        bytes
    }

    #[test]
    fn csv_is_a_copy_and_the_form_for_spreadsheets_runs_nothing() {
        let csv = String::from_utf8(export(ExportFormat::Csv, &[batch()])).unwrap();
        assert_eq!(csv, "name,n,l\n=1+1,-5,\"[1,null]\"\n,2,\n\"a,\"\"b\"\"\",,[]\n");
        let csv = String::from_utf8(export(ExportFormat::SpreadsheetCsv, &[batch()])).unwrap();
        assert_eq!(csv, "name,n,l\n'=1+1,-5,\"[1,null]\"\n,2,\n\"a,\"\"b\"\"\",,[]\n");
        assert_eq!(export(ExportFormat::Csv, &[]), b"name,n,l\n");
    }

    #[test]
    fn json_lines_name_every_value() {
        let lines = String::from_utf8(export(ExportFormat::JsonLines, &[batch()])).unwrap();
        let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        assert_eq!(first, serde_json::json!({"name": "=1+1", "n": -5, "l": [1, null]}));
        assert_eq!(lines.lines().count(), 3);
    }

    #[test]
    fn parquet_comes_in_row_groups_and_reads_back() {
        // texts that no compression makes small
        let texts = (0..4_000_u64).map(|n| format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let names: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        let batch = RecordBatch::try_from_iter([("name", names)]).unwrap();
        let mut exporter = Exporter::new(ExportFormat::Parquet, &batch.schema(), 1).unwrap();
        let mut bytes = Vec::new();
        for _ in 0..3 {
            let more = exporter.batch(&batch).unwrap();
            assert!(more.len() > 8_192, "each batch is a group that is written at once: {}", more.len());
            bytes.extend(more);
        }
        bytes.extend(exporter.finish().unwrap());
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(bytes::Bytes::from(bytes), 1_024);
        let read: Vec<RecordBatch> = reader.unwrap().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 12_000);
        assert_eq!(read[0].schema().field(0).data_type(), &DataType::Utf8View);
    }

    #[test]
    fn formats_have_names() {
        for (name, format) in ExportFormat::NAMES {
            assert_eq!(ExportFormat::named(name), Some(format));
            assert!(!format.extension().is_empty() && !format.media_type().is_empty());
        }
        assert_eq!(ExportFormat::named("xls"), None);
    }
}
