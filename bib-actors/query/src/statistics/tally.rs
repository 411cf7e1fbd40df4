//! The most frequent texts of a column, as an aggregate of DataFusion: counted exactly, or not at all once there are too
//! many different ones. Owns the bound; what was counted travels as JSON, because an aggregate's state is a row of values.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use serde::{Deserialize, Serialize};

use crate::options::QueryOptions;

/// Longest text that is counted. Longer ones are no categories, and ten thousand of them would take much memory.
const LONGEST: usize = 256;

/// The aggregate that counts texts.
pub(super) fn tally(options: &QueryOptions) -> AggregateUDF {
    AggregateUDF::from(Tally {
        most: options.tallied_values,
        told: options.top_values,
        signature: Signature::any(1, Volatility::Immutable),
    })
}

/// What a tally says.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// How many different texts there are.
    pub(super) distinct: u64,
    /// The most frequent ones, the most frequent first; equally frequent ones by their text.
    pub(super) top: Vec<(String, u64)>,
}

impl Told {
    /// What the aggregate gave; none when there were too many texts.
    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Tally {
    most: usize,
    told: usize,
    signature: Signature,
}

impl AggregateUDFImpl for Tally {
    fn name(&self) -> &str {
        "tally"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format!("{}[counts]", args.name), DataType::Utf8, true))])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Texts { most: self.most, told: self.told, counts: Some(HashMap::new()), bytes: 0 }))
    }
}

#[derive(Debug)]
struct Texts {
    most: usize,
    told: usize,
    /// None when there were too many.
    counts: Option<HashMap<String, u64>>,
    bytes: usize,
}

impl Texts {
    fn add(&mut self, text: &str, count: u64) {
        let Some(counts) = &mut self.counts else { return };
        if let Some(known) = counts.get_mut(text) {
            *known += count;
        } else if counts.len() >= self.most || text.len() > LONGEST {
            self.give_up();
        } else {
            self.bytes += text.len();
            counts.insert(text.to_owned(), count);
        }
    }

    fn give_up(&mut self) {
        (self.counts, self.bytes) = (None, 0);
    }
}

fn json(value: &impl Serialize) -> Result<ScalarValue> {
    let text = serde_json::to_string(value).map_err(|error| exec_datafusion_err!("a tally is no JSON: {error}"))?;
    Ok(ScalarValue::Utf8(Some(text)))
}

impl Accumulator for Texts {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first().and_then(|values| values.as_string_view_opt()) else { return Ok(()) };
        for text in values.iter().flatten() {
            if self.counts.is_none() {
                break;
            }
            self.add(text, 1);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let Some(counts) = &self.counts else { return Ok(ScalarValue::Utf8(None)) };
        let mut top: Vec<(&str, u64)> = counts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        top.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let top = top.into_iter().take(self.told).map(|(text, count)| (text.to_owned(), count)).collect();
        json(&Told { distinct: counts.len() as u64, top })
    }

    fn size(&self) -> usize {
        let entries = self.counts.as_ref().map_or(0, HashMap::capacity);
        size_of_val(self) + self.bytes + entries * size_of::<(String, u64)>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        match &self.counts {
            Some(counts) => Ok(vec![json(&counts.iter().collect::<Vec<_>>())?]),
            None => Ok(vec![ScalarValue::Utf8(None)]),
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first().and_then(|states| states.as_string_opt::<i32>()) else { return Ok(()) };
        for state in states {
            let Some(state) = state else {
                self.give_up();
                return Ok(());
            };
            let counts: Vec<(String, u64)> =
                serde_json::from_str(state).map_err(|error| exec_datafusion_err!("a tally is no JSON: {error}"))?;
            counts.iter().for_each(|(text, count)| self.add(text, *count));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringArray, StringViewArray};

    fn texts(most: usize) -> Texts {
        Texts { most, told: 2, counts: Some(HashMap::new()), bytes: 0 }
    }

    fn told(texts: &mut Texts) -> Option<Told> {
        match texts.evaluate().unwrap() {
            ScalarValue::Utf8(text) => text.as_deref().and_then(Told::read),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn counts_of_parts_make_the_whole() {
        let (mut a, mut b) = (texts(10), texts(10));
        let rows: ArrayRef = Arc::new(StringViewArray::from(vec![Some("x"), None, Some("y"), Some("x"), Some("z")]));
        a.update_batch(&[Arc::clone(&rows)]).unwrap();
        b.update_batch(&[rows.slice(3, 2)]).unwrap();
        let state = b.state().unwrap().pop().unwrap().to_array().unwrap();
        a.merge_batch(&[state]).unwrap();
        let told = told(&mut a).unwrap();
        assert_eq!((told.distinct, told.top), (3, vec![("x".to_owned(), 3), ("z".to_owned(), 2)]));
    }

    #[test]
    fn too_many_or_too_long_texts_are_not_counted() {
        let mut many = texts(2);
        many.update_batch(&[Arc::new(StringViewArray::from(vec!["a", "b", "c"])) as ArrayRef]).unwrap();
        assert!(told(&mut many).is_none());
        let mut long = texts(2);
        let text = "x".repeat(LONGEST + 1);
        long.update_batch(&[Arc::new(StringViewArray::from(vec![text.as_str()])) as ArrayRef]).unwrap();
        assert!(told(&mut long).is_none());
        // one part that gave up makes the whole give up
        let mut whole = texts(2);
        whole.merge_batch(&[Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef]).unwrap();
        assert!(told(&mut whole).is_none() && many.size() > 0);
    }
}
