//! Rows as an Arrow IPC stream, in parts of bounded size.

use crate::problem::Problem;
use arrow::datatypes::{DataType, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use bib_proto::v1;

/// Turns batches into the bytes of one stream.
pub(super) struct IpcStream {
    writer: StreamWriter<Vec<u8>>,
}

impl IpcStream {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, Problem> {
        Ok(Self { writer: StreamWriter::try_new(Vec::new(), schema).map_err(internal)? })
    }

    /// The bytes that one more batch adds.
    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Problem> {
        self.writer.write(batch).map_err(internal)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }

    /// The bytes that end the stream.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, Problem> {
        self.writer.finish().map_err(internal)?;
        Ok(std::mem::take(self.writer.get_mut()))
    }
}

fn internal(error: ArrowError) -> Problem {
    Problem::internal(format_args!("rows cannot be encoded: {error}"))
}

/// The columns of a result as the API names them.
pub(super) fn columns(schema: &Schema) -> v1::TableSchema {
    let columns = schema.fields().iter().map(|field| v1::Column {
        name: field.name().clone(),
        r#type: word(field.data_type()).to_owned(),
        nullable: field.is_nullable(),
    });
    v1::TableSchema { columns: columns.collect(), rows: -1 }
}

fn word(kind: &DataType) -> &'static str {
    match kind {
        _ if kind.is_integer() => "int",
        _ if kind.is_floating() || kind.is_decimal() => "double",
        DataType::Boolean => "bool",
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "bytes",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::ListView(_) => "list",
        DataType::Struct(_) | DataType::Map(..) => "struct",
        DataType::Dictionary(_, values) => word(values),
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::Field;
    use arrow::ipc::reader::StreamReader;
    use std::sync::Arc;

    #[test]
    fn the_parts_make_one_stream() {
        let schema =
            Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false), Field::new("s", DataType::Utf8, true)]));
        let columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec![Some("a"), None]))];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let mut stream = IpcStream::new(&schema).unwrap();
        let mut bytes = stream.batch(&batch).unwrap();
        bytes.extend(stream.batch(&batch).unwrap());
        bytes.extend(stream.finish().unwrap());
        let read: Vec<RecordBatch> =
            StreamReader::try_new(bytes.as_slice(), None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [batch.clone(), batch]);
        let api = super::columns(&schema);
        assert_eq!(api.columns.iter().map(|column| column.r#type.as_str()).collect::<Vec<_>>(), ["int", "string"]);
        // an empty result is a stream too
        let empty = IpcStream::new(&schema).unwrap().finish().unwrap();
        assert_eq!(StreamReader::try_new(empty.as_slice(), None).unwrap().count(), 0);
    }
}
