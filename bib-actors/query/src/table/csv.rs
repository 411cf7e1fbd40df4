//! CSV bytes to batches, with the schema of the manifest. Owns how fields become values at query time; what types a
//! file has was found in `detect/csv.rs`, by the same rules.

use std::sync::Arc;

use ::csv::ByteRecord;
use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, RecordBatch,
    RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, SchemaRef};

use super::fault::ReadFault;
use super::file::ChunkReader;
use super::media::CsvDialect;
use super::records::{Records, endless};
use super::source::Batches;
use super::{BATCH_BYTES, is_missing, is_missing_word};
use crate::row::scalar;

/// Reads records and fills columns.
pub(super) struct CsvBatches {
    records: Records<ChunkReader>,
    record: ByteRecord,
    path: String,
    /// Fields that each record must have.
    width: usize,
    /// The columns to fill: their place in a record and their name.
    wanted: Vec<(usize, String)>,
    schema: SchemaRef,
    batch_rows: usize,
    /// Whether line numbers count from the start of the file.
    from_start: bool,
    skip_header: bool,
}

impl CsvBatches {
    /// `schema` is the file's, `projection` the columns to fill. The reader stands at a record.
    pub(super) fn new(
        reader: ChunkReader,
        dialect: CsvDialect,
        schema: &SchemaRef,
        projection: &[usize],
        batch_rows: usize,
        from_start: bool,
    ) -> Result<Self, ReadFault> {
        let path = reader.file().path.clone();
        let projected = schema.project(projection).map_err(|error| ReadFault::new(&path, error))?;
        Ok(Self {
            records: Records::new(reader, dialect),
            record: ByteRecord::new(),
            path,
            width: schema.fields().len(),
            wanted: projection.iter().map(|&at| (at, schema.field(at).name().clone())).collect(),
            schema: Arc::new(projected),
            batch_rows,
            from_start,
            skip_header: from_start && dialect.header,
        })
    }

    fn next_record(&mut self) -> Result<bool, ReadFault> {
        self.records.next(&mut self.record).map_err(|error| match (ReadFault::find(&error), endless(&error)) {
            (Some(fault), _) => fault,
            (None, Some(why)) => ReadFault::new(&self.path, why),
            (None, None) => ReadFault::new(&self.path, error),
        })
    }

    fn place(&self) -> String {
        match self.record.position() {
            Some(position) if self.from_start => format!("line {}", position.line()),
            Some(position) => format!("a line of the part that was read in parallel, {} in it", position.line()),
            None => "a line".to_owned(),
        }
    }
}

impl Batches for CsvBatches {
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadFault> {
        if std::mem::take(&mut self.skip_header) && !self.next_record()? {
            return Ok(None);
        }
        let mut columns: Vec<Column> =
            self.schema.fields().iter().map(|field| Column::new(field.data_type(), self.batch_rows)).collect();
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.batch_rows && bytes < BATCH_BYTES && self.next_record()? {
            bytes += self.record.as_slice().len() as u64;
            if self.record.len() != self.width {
                let (found, wanted) = (self.record.len(), self.width);
                let detail = format!("{} has {found} fields instead of {wanted}", self.place());
                return Err(ReadFault::new(&self.path, detail));
            }
            for ((at, name), column) in self.wanted.iter().zip(&mut columns) {
                let field = &self.record[*at];
                if column.push(field).is_none() {
                    let shown = String::from_utf8_lossy(&field[..field.len().min(80)]);
                    let detail = format!(
                        "{}: {shown:?} in column {name:?} is not {}, as its description says; publish the file again",
                        self.place(),
                        column.kind()
                    );
                    return Err(ReadFault::new(&self.path, detail));
                }
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = columns.into_iter().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options);
        batch.map(Some).map_err(|error| ReadFault::new(&self.path, error))
    }
}

/// A column while it is filled.
enum Column {
    Int(Int64Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Bytes(BinaryBuilder),
}

impl Column {
    fn new(data_type: &DataType, rows: usize) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::with_capacity(rows)),
            DataType::Float64 => Self::Double(Float64Builder::with_capacity(rows)),
            DataType::Boolean => Self::Bool(BooleanBuilder::with_capacity(rows)),
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            DataType::Timestamp(..) => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(data_type.clone()))
            }
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Adds a field; none when it is not a value of the column's type.
    fn push(&mut self, field: &[u8]) -> Option<()> {
        if is_missing(field) {
            match self {
                Self::Int(builder) => builder.append_null(),
                Self::Double(builder) => builder.append_null(),
                Self::Text(builder) => builder.append_null(),
                Self::Bool(builder) => builder.append_null(),
                Self::Timestamp(builder) => builder.append_null(),
                Self::Date(builder) => builder.append_null(),
                Self::Bytes(builder) => builder.append_null(),
            }
            return Some(());
        }
        if let Self::Bytes(builder) = self {
            builder.append_value(field);
            return Some(());
        }
        let text = std::str::from_utf8(field).ok()?;
        match self {
            Self::Int(builder) => builder.append_option(value(scalar::parse_int(text), field)?),
            Self::Double(builder) => builder.append_option(value(scalar::parse_double(text), field)?),
            Self::Text(builder) => builder.append_value(text),
            Self::Bool(builder) => builder.append_option(value(scalar::parse_bool(text), field)?),
            Self::Timestamp(builder) => builder.append_option(value(scalar::parse_timestamp(text), field)?),
            Self::Date(builder) => builder.append_option(value(scalar::parse_date(text), field)?),
            Self::Bytes(_) => {}
        }
        Some(())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Int(_) => "an int",
            Self::Double(_) => "a double",
            Self::Text(_) => "UTF-8 text",
            Self::Bool(_) => "true or false",
            Self::Timestamp(_) => "a timestamp",
            Self::Date(_) => "a date",
            Self::Bytes(_) => "bytes",
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Int(mut builder) => Arc::new(builder.finish()),
            Self::Double(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
            Self::Bool(mut builder) => Arc::new(builder.finish()),
            Self::Timestamp(mut builder) => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Bytes(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// What a field of a column that holds no texts means: a value, a missing one, or none of the column's type.
fn value<T>(parsed: Option<T>, field: &[u8]) -> Option<Option<T>> {
    match parsed {
        None if is_missing_word(field) => Some(None),
        None => None,
        parsed => Some(parsed),
    }
}
