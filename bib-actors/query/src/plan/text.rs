//! Vectorized functions over texts. Positions and lengths count characters, not bytes, as CEL does.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array, StringArray,
    StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::{DataFusionError, Result, internal_err};

use crate::breach::{BATCH_BYTES, Breach};
use crate::lang::{Op, Ty};
use crate::row::{made, scalar};

pub(super) fn function(op: Op, params: &[Ty], args: &[ArrayRef]) -> Result<ArrayRef> {
    if op == Op::ToText {
        return to_text(&params[0], &args[0]);
    }
    if params[0] == Ty::Bytes && op == Op::Size {
        let bytes = args[0].as_binary::<i32>();
        let sizes: Int64Array = bytes.iter().map(|b| b.map(|b| b.len() as i64)).collect();
        return Ok(Arc::new(sizes));
    }
    if params[0] != Ty::String {
        return internal_err!("{} is not vectorized for {}", op.name(), params[0]);
    }
    let texts = args[0].as_string::<i32>();
    Ok(match op {
        Op::Size => Arc::new(texts.iter().map(|s| s.map(|s| s.chars().count() as i64)).collect::<Int64Array>()),
        Op::LowerAscii => map(texts, |s| Some(s.to_ascii_lowercase())),
        Op::UpperAscii => map(texts, |s| Some(s.to_ascii_uppercase())),
        Op::Trim => map(texts, |s| Some(s.trim().to_owned())),
        Op::SubstringFrom => {
            let from = args[1].as_primitive::<Int64Type>();
            let parts: StringArray =
                texts.iter().zip(from.iter()).map(|(s, from)| substring(s?, from?, None)).collect();
            Arc::new(parts)
        }
        Op::Substring => {
            let (from, to) = (args[1].as_primitive::<Int64Type>(), args[2].as_primitive::<Int64Type>());
            let parts: StringArray = texts
                .iter()
                .zip(from.iter().zip(to.iter()))
                .map(|(s, (from, to))| substring(s?, from?, Some(to?)))
                .collect();
            Arc::new(parts)
        }
        Op::IndexOf => {
            let wanted = args[1].as_string::<i32>();
            let places: Int64Array = texts.iter().zip(wanted.iter()).map(|(s, w)| Some(index_of(s?, w?))).collect();
            Arc::new(places)
        }
        Op::ToInt => Arc::new(texts.iter().map(|s| scalar::parse_int(s?)).collect::<Int64Array>()),
        Op::ToDouble => Arc::new(texts.iter().map(|s| scalar::parse_double(s?)).collect::<Float64Array>()),
        Op::ToBool => Arc::new(texts.iter().map(|s| scalar::parse_bool(s?)).collect::<BooleanArray>()),
        Op::ToDate => Arc::new(texts.iter().map(|s| scalar::parse_date(s?)).collect::<Date32Array>()),
        Op::ToTimestamp => {
            let times: TimestampMicrosecondArray = texts.iter().map(|s| scalar::parse_timestamp(s?)).collect();
            Arc::new(times.with_data_type(Ty::Timestamp.to_arrow()))
        }
        Op::ToDuration => {
            Arc::new(texts.iter().map(|s| scalar::parse_duration(s?)).collect::<DurationMicrosecondArray>())
        }
        _ => return internal_err!("{} is not vectorized", op.name()),
    })
}

/// `+` of texts, none of more than `most` bytes.
pub(super) fn concat(args: &[ArrayRef], most: usize) -> Result<ArrayRef> {
    let (left, right) = (args[0].as_string::<i32>(), args[1].as_string::<i32>());
    let (mut joined, mut bytes) = (StringBuilder::new(), 0);
    let batch = room(held(left).max(held(right)));
    for (a, b) in left.iter().zip(right.iter()) {
        let Some((a, b)) = a.zip(b) else {
            joined.append_null();
            continue;
        };
        made::fits(a, b, most)?;
        bytes += a.len() + b.len();
        within(bytes, batch)?;
        let whole = joined.write_str(a).and_then(|()| joined.write_str(b));
        whole.map_err(|error| DataFusionError::Internal(error.to_string()))?;
        joined.append_value("");
    }
    Ok(Arc::new(joined.finish()))
}

/// `text.replace(from, to)`, none of more than `most` bytes unless it was longer before.
pub(super) fn replace(args: &[ArrayRef], most: usize) -> Result<ArrayRef> {
    let texts = args[0].as_string::<i32>();
    let (from, to) = (args[1].as_string::<i32>(), args[2].as_string::<i32>());
    let (mut replaced, mut bytes) = (StringBuilder::new(), 0);
    // what becomes shorter fits as it did before
    let batch = BATCH_BYTES.max(held(texts)).min(i32::MAX as usize);
    for (text, (from, to)) in texts.iter().zip(from.iter().zip(to.iter())) {
        let text = text.zip(from.zip(to)).map(|(text, (from, to))| made::replaced(text, from, to, most)).transpose()?;
        bytes += text.as_ref().map_or(0, String::len);
        within(bytes, batch)?;
        replaced.append_option(text);
    }
    Ok(Arc::new(replaced.finish()))
}

/// Bytes of the joined texts of a batch. They may be more by the longer side, and twice as much at most: rows that were long
/// before still get a little more, and what is joined over and over is bounded.
fn room(longer: usize) -> usize {
    BATCH_BYTES.saturating_add(longer).min(2 * BATCH_BYTES)
}

/// Bytes of the texts themselves: those of a part of an array, not of what lies behind it.
fn held(texts: &StringArray) -> usize {
    let offsets = texts.value_offsets();
    let ends = offsets.first().zip(offsets.last());
    ends.map_or(0, |(first, last)| usize::try_from(last - first).unwrap_or_default())
}

fn within(bytes: usize, most: usize) -> Result<()> {
    if bytes > most { Err(Breach::Values { most }.into()) } else { Ok(()) }
}

fn map(texts: &StringArray, f: impl Fn(&str) -> Option<String>) -> ArrayRef {
    let mapped: StringArray = texts.iter().map(|s| f(s?)).collect();
    Arc::new(mapped)
}

fn to_text(ty: &Ty, array: &ArrayRef) -> Result<ArrayRef> {
    let texts: StringArray = match ty {
        Ty::String => return Ok(Arc::clone(array)),
        Ty::Int => array.as_primitive::<Int64Type>().iter().map(|i| i.map(|i| i.to_string())).collect(),
        Ty::Double => array.as_primitive::<Float64Type>().iter().map(|d| d.map(scalar::format_double)).collect(),
        Ty::Bool => array.as_boolean().iter().map(|b| b.map(|b| b.to_string())).collect(),
        Ty::Timestamp => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            times.iter().map(|us| us.map(scalar::format_timestamp)).collect()
        }
        Ty::Date => array.as_primitive::<Date32Type>().iter().map(|days| days.map(scalar::format_date)).collect(),
        other => return internal_err!("{other} has no text"),
    };
    Ok(Arc::new(texts))
}

/// Characters `from` to `to`; none when they are not in the text.
fn substring(text: &str, from: i64, to: Option<i64>) -> Option<String> {
    let length = text.chars().count();
    let from = usize::try_from(from).ok().filter(|from| *from <= length)?;
    let to = match to {
        Some(to) => usize::try_from(to).ok().filter(|to| *to <= length && *to >= from)?,
        None => length,
    };
    Some(text.chars().skip(from).take(to - from).collect())
}

/// The character at which `wanted` begins, or -1.
fn index_of(text: &str, wanted: &str) -> i64 {
    text.find(wanted).map_or(-1, |at| text[..at].chars().count() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_may_still_be_joined_and_no_array_is_too_long() {
        let one_more = BATCH_BYTES + 8_192;
        assert!(within(one_more, room(BATCH_BYTES)).is_ok());
        assert!(within(one_more, room(0)).is_err());
        // x + x + x + x, each as long as may be
        let sums = (2..5).map(|times| within(times * BATCH_BYTES, room((times - 1) * BATCH_BYTES)).is_ok());
        assert_eq!(sums.collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(room(usize::MAX), 2 * BATCH_BYTES);
        let texts = StringArray::from(vec!["long before", "a", "b"]);
        assert_eq!((held(&texts), held(&texts.slice(1, 2))), (13, 2));
    }
}
