//! Arrow values as CEL values and back. Owns both directions for every type of the language.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanBuilder, Date32Builder, DurationMicrosecondBuilder, Float64Builder,
    Int64Builder, ListArray, MapArray, NullArray, StringArray, StringBuilder, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, Field, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow::error::ArrowError;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
};
use cel::common::value::Val;

use crate::lang::Ty;

const DAY: i64 = 86_400_000_000;

/// The value at `row` of an array that has the type [`Ty::to_arrow`] of `ty`.
pub(super) fn value<'a>(array: &'a dyn Array, ty: &Ty, row: usize) -> Box<dyn Val + 'a> {
    if array.is_null(row) {
        return Box::new(CelNull);
    }
    match ty {
        Ty::Bool => Box::new(CelBool::from(array.as_boolean().value(row))),
        Ty::Int => Box::new(CelInt::from(array.as_primitive::<Int64Type>().value(row))),
        Ty::Double => Box::new(CelDouble::from(array.as_primitive::<Float64Type>().value(row))),
        Ty::String => Box::new(CelString::from(array.as_string::<i32>().value(row))),
        Ty::Bytes => Box::new(CelBytes::from(array.as_binary::<i32>().value(row))),
        Ty::Timestamp => time(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        Ty::Date => time(i64::from(array.as_primitive::<Date32Type>().value(row)) * DAY),
        Ty::Duration => {
            let micros = array.as_primitive::<DurationMicrosecondType>().value(row);
            Box::new(CelDuration::from(chrono::Duration::microseconds(micros)))
        }
        Ty::List(item) => {
            let list = array.as_list::<i32>();
            let (start, end) = (list.value_offsets()[row] as usize, list.value_offsets()[row + 1] as usize);
            let items: Vec<Box<dyn Val + 'a>> =
                (start..end).map(|at| value(list.values().as_ref(), item, at)).collect();
            Box::new(CelList::from(items))
        }
        Ty::Struct(fields) => {
            let of = array.as_struct();
            let entries: HashMap<CelMapKey<'a>, Box<dyn Val + 'a>> = fields
                .iter()
                .zip(of.columns())
                .map(|((name, ty), column)| (CelMapKey::from(name.clone()), value(column.as_ref(), ty, row)))
                .collect();
            Box::new(CelMap::from(entries))
        }
        Ty::Map(item) => {
            let map = array.as_map();
            let (start, end) = (map.value_offsets()[row] as usize, map.value_offsets()[row + 1] as usize);
            let keys = map.keys().as_string::<i32>();
            let entries: HashMap<CelMapKey<'a>, Box<dyn Val + 'a>> = (start..end)
                .map(|at| (CelMapKey::from(keys.value(at)), value(map.values().as_ref(), item, at)))
                .collect();
            Box::new(CelMap::from(entries))
        }
        Ty::Null | Ty::Opaque(_) => Box::new(CelNull),
    }
}

fn time<'a>(micros: i64) -> Box<dyn Val + 'a> {
    match super::scalar::time_of(micros) {
        Some(time) => Box::new(CelTimestamp::from(time.fixed_offset())),
        None => Box::new(CelNull),
    }
}

/// A result of one row, copied out of the interpreter.
#[derive(Debug, Clone)]
pub(super) enum Out {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Microseconds, of a timestamp, a date's midnight or a duration.
    Micros(i64),
    List(Vec<Option<Out>>),
    Fields(Vec<Option<Out>>),
    /// The entries of a map, in the order of their keys: the interpreter keeps no other.
    Entries(Vec<(String, Option<Out>)>),
}

impl Out {
    /// Bytes that it takes, more or less.
    pub(super) fn bytes(&self) -> usize {
        let all = |values: &[Option<Self>]| values.iter().flatten().map(Self::bytes).sum::<usize>();
        let held = match self {
            Self::Bool(_) | Self::Int(_) | Self::Double(_) | Self::Micros(_) => 0,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(values) | Self::Fields(values) => all(values),
            Self::Entries(entries) => {
                entries.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Self::bytes)).sum()
            }
        };
        size_of::<Option<Self>>() + held
    }
}

/// Copies a value of type `ty` out; none for null and for what is not of that type.
pub(super) fn copy_out(val: &(dyn Val + '_), ty: &Ty) -> Option<Out> {
    match ty {
        Ty::Bool => val.downcast_ref::<CelBool>().map(|b| Out::Bool(*b.inner())),
        Ty::Int => val.downcast_ref::<CelInt>().map(|i| Out::Int(*i.inner())),
        Ty::Double => val.downcast_ref::<CelDouble>().map(|d| Out::Double(*d.inner())),
        Ty::String => val.downcast_ref::<CelString>().map(|s| Out::Text(s.inner().to_owned())),
        Ty::Bytes => val.downcast_ref::<CelBytes>().map(|b| Out::Bytes(b.inner().to_vec())),
        Ty::Timestamp | Ty::Date => {
            val.downcast_ref::<CelTimestamp>().map(|time| Out::Micros(time.inner().timestamp_micros()))
        }
        Ty::Duration => val.downcast_ref::<CelDuration>().and_then(|d| d.inner().num_microseconds()).map(Out::Micros),
        Ty::List(item) => {
            let list = val.downcast_ref::<CelList>()?;
            Some(Out::List(list.iter().map(|v| copy_out(v.as_ref(), item)).collect()))
        }
        Ty::Struct(fields) => {
            let map = val.downcast_ref::<CelMap>()?;
            let field = |(name, ty): &(String, Ty)| {
                map.inner().get(&CelMapKey::from(name.as_str())).and_then(|v| copy_out(v.as_ref(), ty))
            };
            Some(Out::Fields(fields.iter().map(field).collect()))
        }
        Ty::Map(item) => {
            let text = |key: &CelMapKey<'_>| key.inner().downcast_ref::<CelString>().map(|key| key.inner().to_owned());
            let entries = val.downcast_ref::<CelMap>()?.inner().iter();
            let mut entries: Vec<_> =
                entries.filter_map(|(key, value)| Some((text(key)?, copy_out(value.as_ref(), item)))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Some(Out::Entries(entries))
        }
        Ty::Null | Ty::Opaque(_) => None,
    }
}

/// An array of the type [`Ty::to_arrow`] of `ty`.
pub(super) fn to_array(values: Vec<Option<Out>>, ty: &Ty) -> Result<ArrayRef, ArrowError> {
    macro_rules! build {
        ($builder:expr, $pattern:pat => $value:expr) => {{
            let mut builder = $builder;
            for value in values {
                builder.append_option(match value {
                    Some($pattern) => Some($value),
                    _ => None,
                });
            }
            Arc::new(builder.finish())
        }};
    }
    let rows = values.len();
    Ok(match ty {
        Ty::Bool => build!(BooleanBuilder::with_capacity(rows), Out::Bool(b) => b),
        Ty::Int => build!(Int64Builder::with_capacity(rows), Out::Int(i) => i),
        Ty::Double => build!(Float64Builder::with_capacity(rows), Out::Double(d) => d),
        Ty::String => build!(StringBuilder::new(), Out::Text(s) => s),
        Ty::Bytes => build!(BinaryBuilder::new(), Out::Bytes(b) => b),
        Ty::Timestamp => build!(
            TimestampMicrosecondBuilder::with_capacity(rows).with_data_type(ty.to_arrow()),
            Out::Micros(us) => us
        ),
        Ty::Date => build!(
            Date32Builder::with_capacity(rows),
            Out::Micros(us) => i32::try_from(us.div_euclid(DAY)).unwrap_or(i32::MAX)
        ),
        Ty::Duration => build!(DurationMicrosecondBuilder::with_capacity(rows), Out::Micros(us) => us),
        Ty::List(item) => list_array(values, item)?,
        Ty::Struct(fields) => struct_array(values, fields)?,
        Ty::Map(item) => map_array(values, item)?,
        Ty::Null | Ty::Opaque(_) => {
            let nulls: ArrayRef = Arc::new(NullArray::new(rows));
            arrow::compute::cast(&nulls, &ty.to_arrow())?
        }
    })
}

fn list_array(values: Vec<Option<Out>>, item: &Ty) -> Result<ArrayRef, ArrowError> {
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    let mut items = Vec::new();
    for value in values {
        let list = if let Some(Out::List(list)) = value { Some(list) } else { None };
        valid.push(list.is_some());
        lengths.push(list.as_ref().map_or(0, Vec::len));
        items.extend(list.unwrap_or_default());
    }
    let field = Arc::new(Field::new_list_field(item.to_arrow(), true));
    let values = to_array(items, item)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field, offsets, values, Some(NullBuffer::from(valid)))?))
}

fn struct_array(values: Vec<Option<Out>>, fields: &[(String, Ty)]) -> Result<ArrayRef, ArrowError> {
    let rows = values.len();
    let mut valid = Vec::with_capacity(rows);
    let mut columns: Vec<Vec<Option<Out>>> = fields.iter().map(|_| Vec::with_capacity(rows)).collect();
    for value in values {
        let row = if let Some(Out::Fields(row)) = value { Some(row) } else { None };
        valid.push(row.is_some());
        let mut row = row.unwrap_or_default().into_iter();
        for column in &mut columns {
            column.push(row.next().flatten());
        }
    }
    let arrays = columns.into_iter().zip(fields).map(|(c, (_, ty))| to_array(c, ty)).collect::<Result<Vec<_>, _>>()?;
    let DataType::Struct(types) = Ty::Struct(fields.to_vec().into()).to_arrow() else {
        return Err(ArrowError::ComputeError("a struct has a struct type".to_owned()));
    };
    Ok(Arc::new(StructArray::try_new_with_length(types, arrays, Some(NullBuffer::from(valid)), rows)?))
}

fn map_array(values: Vec<Option<Out>>, item: &Ty) -> Result<ArrayRef, ArrowError> {
    let mut lengths = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    let (mut keys, mut items) = (Vec::new(), Vec::new());
    for value in values {
        let entries = if let Some(Out::Entries(entries)) = value { Some(entries) } else { None };
        valid.push(entries.is_some());
        lengths.push(entries.as_ref().map_or(0, Vec::len));
        for (key, item) in entries.unwrap_or_default() {
            keys.push(key);
            items.push(item);
        }
    }
    let DataType::Map(field, ordered) = Ty::Map(Box::new(item.clone())).to_arrow() else {
        return Err(ArrowError::ComputeError("a map has a map type".to_owned()));
    };
    let DataType::Struct(pair) = field.data_type() else {
        return Err(ArrowError::ComputeError("the entries of a map are structs".to_owned()));
    };
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(keys)), to_array(items, item)?];
    let entries = StructArray::try_new(pair.clone(), columns, None)?;
    let (offsets, nulls) = (OffsetBuffer::from_lengths(lengths), NullBuffer::from(valid));
    Ok(Arc::new(MapArray::try_new(field, offsets, entries, Some(nulls), ordered)?))
}
