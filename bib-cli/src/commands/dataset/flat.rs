//! Columns as CSV can hold them: nested values are JSON. The same text as the pages' CSV has.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use std::sync::Arc;

/// The batch without nested columns; the rest is as it was.
///
/// # Errors
/// When a value has no form in JSON.
pub(super) fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if field.data_type().is_nested() {
            fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, true)));
            columns.push(Arc::new(json_texts(column)?) as ArrayRef);
        } else {
            fields.push(Arc::clone(field));
            columns.push(Arc::clone(column));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
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
    use arrow::array::{AsArray, Int64Array, ListArray, MapBuilder, StringBuilder, StructArray};
    use arrow::datatypes::Int64Type;

    #[test]
    fn nested_values_are_json_and_missing_ones_are_missing() {
        let lists =
            ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None, Some(Vec::new())]);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a\n\"b\""), Some("x"), None]));
        let structs = StructArray::try_from(vec![("n", Arc::clone(&numbers)), ("t", texts)]).unwrap();
        let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        maps.keys().append_value("k");
        maps.values().append_value("v");
        maps.append(true).unwrap();
        maps.append(false).unwrap();
        maps.append(true).unwrap();
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("n", numbers, true),
            ("l", Arc::new(lists) as ArrayRef, true),
            ("s", Arc::new(structs) as ArrayRef, true),
            ("m", Arc::new(maps.finish()) as ArrayRef, true),
        ])
        .unwrap();
        let flat = flat(&batch).unwrap();
        let texts = |index: usize| flat.column(index).as_string::<i32>().iter().collect::<Vec<_>>();
        assert_eq!(flat.column(0), batch.column(0));
        assert_eq!(texts(1), [Some("[1,null]"), None, Some("[]")]);
        let structs = [r#"{"n":1,"t":"a\n\"b\""}"#, r#"{"n":null,"t":"x"}"#, r#"{"n":3,"t":null}"#];
        assert_eq!(texts(2), structs.map(Some));
        assert_eq!(texts(3), [Some(r#"{"k":"v"}"#), None, Some("{}")]);
        assert_eq!(super::flat(&batch.slice(0, 0)).unwrap().num_rows(), 0);
    }
}
