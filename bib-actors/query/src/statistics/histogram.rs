//! Counts of values by range, as an aggregate of DataFusion: one pass, one counter a range. Owns no choice of ranges.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::sync::Arc;

use super::bins::Edges;

/// The aggregate that counts values between `edges`.
pub(super) fn histogram(edges: Edges) -> AggregateUDF {
    AggregateUDF::from(Histogram { edges, signature: Signature::any(1, Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Histogram {
    edges: Edges,
    signature: Signature,
}

fn counters() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

impl AggregateUDFImpl for Histogram {
    fn name(&self) -> &str {
        "histogram"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(counters())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[counts]", args.name), counters(), true))])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Counters { counts: vec![0; self.edges.len()], edges: self.edges.clone() }))
    }
}

#[derive(Debug)]
struct Counters {
    edges: Edges,
    counts: Vec<i64>,
}

impl Counters {
    fn list(&self) -> ScalarValue {
        let counts: Vec<ScalarValue> = self.counts.iter().map(|count| ScalarValue::Int64(Some(*count))).collect();
        ScalarValue::List(ScalarValue::new_list_nullable(&counts, &DataType::Int64))
    }

    fn count(&mut self, at: Option<usize>) {
        if let Some(counter) = at.and_then(|at| self.counts.get_mut(at)) {
            *counter += 1;
        }
    }
}

impl Accumulator for Counters {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first() else { return Ok(()) };
        if let Some(values) = values.as_primitive_opt::<Int64Type>() {
            values.iter().flatten().for_each(|value| self.count(self.edges.of_whole(value)));
        } else if let Some(values) = values.as_primitive_opt::<Float64Type>() {
            values.iter().flatten().for_each(|value| self.count(self.edges.of_double(value)));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.list())
    }

    fn size(&self) -> usize {
        size_of_val(self) + 3 * self.counts.capacity() * size_of::<i64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.list()])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(lists) = states.first().and_then(|states| states.as_list_opt::<i32>()) else { return Ok(()) };
        for list in lists.iter().flatten() {
            for (counter, more) in self.counts.iter_mut().zip(list.as_primitive::<Int64Type>().values()) {
                *counter += more;
            }
        }
        Ok(())
    }
}

/// The counters that an aggregate gave.
pub(super) fn counts(value: &ScalarValue) -> Vec<u64> {
    let ScalarValue::List(list) = value else { return Vec::new() };
    if list.is_empty() || list.is_null(0) {
        return Vec::new();
    }
    let counts = list.value(0);
    let counts = counts.as_primitive_opt::<Int64Type>().map(|counts| counts.values().to_vec()).unwrap_or_default();
    counts.into_iter().map(|count| u64::try_from(count).unwrap_or(0)).collect()
}
