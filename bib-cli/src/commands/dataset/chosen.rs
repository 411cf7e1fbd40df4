//! `--columns` of rows: only these columns, in this order.

use crate::error::{CliError, CliResult};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use std::sync::Arc;

/// Where the columns stand that were asked for.
#[derive(Default)]
pub(super) struct Chosen {
    /// `None` for all, as they come.
    at: Option<Vec<usize>>,
}

impl Chosen {
    /// Looks the names up; no names mean all columns.
    ///
    /// # Errors
    /// When one of them is not there.
    pub(super) fn of(schema: &Schema, names: &[String]) -> CliResult<Self> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let find = |name: &str| schema.fields().iter().position(|field| field.name() == name);
        let at = names.iter().map(|name| {
            find(name).or_else(|| find(name.trim())).ok_or_else(|| {
                let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                CliError::usage(format!("--columns: there is no column {name:?} in these rows"))
                    .hint(format!("columns: {}", known.join(", ")))
            })
        });
        Ok(Self { at: Some(at.collect::<CliResult<_>>()?) })
    }

    pub(super) fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef, ArrowError> {
        match &self.at {
            Some(at) => schema.project(at).map(Arc::new),
            None => Ok(Arc::clone(schema)),
        }
    }

    pub(super) fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        match &self.at {
            Some(at) => batch.project(at),
            None => Ok(batch.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};

    #[test]
    fn columns_come_in_the_order_in_which_they_are_named() {
        let column = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("a", column(1)), ("b", column(2)), (" c", column(3))]).unwrap();
        let chosen = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            Chosen::of(&batch.schema(), &names)
        };
        let some = chosen(&[" c", "a ", "b"]).unwrap();
        let picked = some.batch(&batch).unwrap();
        assert_eq!(picked.schema(), some.schema(&batch.schema()).unwrap());
        assert_eq!((picked.column(0), picked.column(1)), (batch.column(2), batch.column(0)));
        assert_eq!(chosen(&[]).unwrap().batch(&batch).unwrap(), batch);
        let error = chosen(&["a", "B"]).err().unwrap();
        assert!(error.message.contains("\"B\"") && error.hints[0] == "columns: a, b,  c", "{error:?}");
    }
}
