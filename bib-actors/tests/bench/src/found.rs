//! Rows that a query found, whoever was asked, to be compared with those that somebody else found.

use anyhow::{Context, ensure};
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use serde_json::Value;
use std::cmp::Ordering;

/// How far two numbers may be apart, as a share of the larger one: everybody adds them up in an order of his own.
const APART: f64 = 1e-9;

/// The rows, and how their columns are called.
#[derive(Debug)]
pub(crate) struct Found {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Nothing,
    Number(f64),
    Text(String),
}

impl Found {
    /// What a peer says: its `columns` and `rows`.
    pub(crate) fn of_json(answer: &Value) -> anyhow::Result<Self> {
        let list = |of: &Value| of.as_array().cloned().with_context(|| format!("no list: {of}"));
        let columns =
            list(&answer["columns"])?.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect();
        let cell = |value: &Value| match value {
            Value::Null => Cell::Nothing,
            Value::String(text) => Cell::Text(text.clone()),
            value => Cell::Number(value.as_f64().unwrap_or(f64::NAN)),
        };
        let row = |row: &Value| anyhow::Ok(list(row)?.iter().map(cell).collect());
        Ok(Self { columns, rows: list(&answer["rows"])?.iter().map(row).collect::<anyhow::Result<_>>()? })
    }

    /// What a node answers.
    pub(crate) fn of_batches(batches: &[RecordBatch]) -> anyhow::Result<Self> {
        let mut found = Self { columns: Vec::new(), rows: Vec::new() };
        for batch in batches {
            found.columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            let columns: Vec<Vec<Cell>> =
                batch.columns().iter().map(|column| cells(column)).collect::<anyhow::Result<_>>()?;
            found.rows.extend((0..batch.num_rows()).map(|at| columns.iter().map(|cells| cells[at].clone()).collect()));
        }
        Ok(found)
    }

    /// Fails where a value is not the one that somebody else found. The rows may come in any order.
    pub(crate) fn same_as(&self, other: &Self) -> anyhow::Result<()> {
        ensure!(self.rows.len() == other.rows.len(), "{} rows instead of {}", self.rows.len(), other.rows.len());
        if self.rows.is_empty() {
            return Ok(());
        }
        ensure!(self.columns.len() == other.columns.len(), "columns {:?} instead of {:?}", self.columns, other.columns);
        let place = |name: &String| other.columns.iter().position(|other| other == name);
        let places: Option<Vec<usize>> = self.columns.iter().map(place).collect();
        let places = places.with_context(|| format!("columns {:?} instead of {:?}", self.columns, other.columns))?;
        let theirs = other.rows.iter().map(|row| places.iter().map(|at| row[*at].clone()).collect()).collect();
        for (row, wanted) in sorted(self.rows.clone()).iter().zip(&sorted(theirs)) {
            for ((name, cell), wanted) in self.columns.iter().zip(row).zip(wanted) {
                ensure!(cell.is(wanted), "{name} is {cell:?} instead of {wanted:?} in the row {row:?}");
            }
        }
        Ok(())
    }
}

impl Cell {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => (a - b).abs() <= APART * a.abs().max(b.abs()),
            (a, b) => a == b,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (a, b) => a.kind().cmp(&b.kind()),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

/// By the first column, then the second, and so on.
fn sorted(mut rows: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    rows.sort_by(|a, b| {
        a.iter().zip(b).map(|(a, b)| a.order(b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    rows
}

fn cells(column: &dyn Array) -> anyhow::Result<Vec<Cell>> {
    if is_text(column.data_type()) {
        let texts = cast(column, &DataType::Utf8)?;
        let cell = |text: Option<&str>| text.map_or(Cell::Nothing, |text| Cell::Text(text.to_owned()));
        return Ok(texts.as_string::<i32>().iter().map(cell).collect());
    }
    let numbers = cast(column, &DataType::Float64)?;
    Ok(numbers.as_primitive::<Float64Type>().iter().map(|number| number.map_or(Cell::Nothing, Cell::Number)).collect())
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
    use serde_json::json;
    use std::sync::Arc;

    fn ours(mean: f64) -> Found {
        let columns: [(&str, ArrayRef); 3] = [
            ("s", Arc::new(StringArray::from(vec![Some("b"), Some("a"), None]))),
            ("n", Arc::new(Int64Array::from(vec![2, 1, 3]))),
            ("m", Arc::new(Float64Array::from(vec![0.5, mean, 7.0]))),
        ];
        Found::of_batches(&[RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
    }

    #[test]
    fn rows_are_compared_value_by_value_in_any_order() {
        let rows = json!([[0.25, "a", 1], [7, null, 3], [0.5, "b", 2]]);
        let theirs = Found::of_json(&json!({"columns": ["m", "s", "n"], "rows": rows})).unwrap();
        ours(0.25).same_as(&theirs).unwrap();
        ours(0.25 + 1e-12).same_as(&theirs).unwrap();
        let said = ours(0.250_001).same_as(&theirs).unwrap_err().to_string();
        assert!(said.starts_with("m is Number(0.250001) instead of Number(0.25)"), "{said}");
    }

    #[test]
    fn other_rows_and_other_columns_are_told() {
        let of = |columns: Value, rows: Value| Found::of_json(&json!({"columns": columns, "rows": rows})).unwrap();
        let one = of(json!(["n"]), json!([[1]]));
        assert!(one.same_as(&of(json!(["n"]), json!([]))).unwrap_err().to_string().contains("1 rows instead of 0"));
        assert!(one.same_as(&of(json!(["m"]), json!([[1]]))).unwrap_err().to_string().contains("columns"));
        assert!(one.same_as(&of(json!(["n"]), json!([["1"]]))).is_err());
        assert!(one.same_as(&of(json!(["n"]), json!([[1.0]]))).is_ok());
    }
}
