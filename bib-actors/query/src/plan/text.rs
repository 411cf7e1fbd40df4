//! Vectorized functions over texts. Positions and lengths count characters, not bytes, as CEL does.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Date32Array, DurationMicrosecondArray, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::common::{Result, internal_err};

use crate::lang::{Op, Ty};
use crate::row::scalar;

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
        Op::Replace => {
            let (from, to) = (args[1].as_string::<i32>(), args[2].as_string::<i32>());
            let replaced: StringArray = texts
                .iter()
                .zip(from.iter().zip(to.iter()))
                .map(|(s, (from, to))| Some(s?.replace(from?, to?)))
                .collect();
            Arc::new(replaced)
        }
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
