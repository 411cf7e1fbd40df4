//! One column while it is filled from fields of text. Owns what a field means in a column of its type; what types a
//! file has was found in `detect/csv.rs`, by the same rules.

use std::str;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::DataType;

use super::digits::{short_double, short_int};
use super::fields::Fields;
use super::{is_missing, is_missing_word};
use crate::row::scalar;

/// A column of a batch.
pub(super) enum Column {
    Int(Int64Builder),
    Double(Float64Builder),
    Text(StringBuilder),
    Bool(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Bytes(BinaryBuilder),
}

impl Column {
    /// An empty column with room for `rows`.
    pub(super) fn new(data_type: &DataType, rows: usize) -> Self {
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

    /// Adds the fields at `at` of each row. The number of the first row is given whose field is not a value of the
    /// column's type.
    pub(super) fn fill(&mut self, fields: Fields<'_>, at: usize) -> Result<(), usize> {
        let column = fields.column(at);
        match self {
            Self::Int(builder) => each(column, |field| {
                builder.append_option(value(field, short_int, scalar::parse_int)?);
                Some(())
            }),
            Self::Double(builder) => each(column, |field| {
                builder.append_option(value(field, short_double, scalar::parse_double)?);
                Some(())
            }),
            Self::Bool(builder) => each(column, |field| {
                builder.append_option(value(field, |_| None, scalar::parse_bool)?);
                Some(())
            }),
            Self::Timestamp(builder) => each(column, |field| {
                builder.append_option(value(field, |_| None, scalar::parse_timestamp)?);
                Some(())
            }),
            Self::Date(builder) => each(column, |field| {
                builder.append_option(value(field, |_| None, scalar::parse_date)?);
                Some(())
            }),
            Self::Text(builder) => each(fields.texts(at), |text| {
                builder.append_option(Some(text?).filter(|text| !is_missing(text.as_bytes())));
                Some(())
            }),
            Self::Bytes(builder) => each(column, |field| {
                builder.append_option(Some(field).filter(|field| !is_missing(field)));
                Some(())
            }),
        }
    }

    /// What its values are, for messages.
    pub(super) fn kind(&self) -> &'static str {
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

    /// The column as it is.
    pub(super) fn finish(self) -> ArrayRef {
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

/// Adds one row after the other; the number of the first one that cannot be.
fn each<T>(column: impl Iterator<Item = T>, mut add: impl FnMut(T) -> Option<()>) -> Result<(), usize> {
    column.enumerate().try_for_each(|(row, field)| add(field).ok_or(row))
}

/// What a field of a column that holds no texts means: a value, a missing one, or (none at all) neither. `quick` takes
/// what is written in the usual way, `all` whatever is a value.
fn value<T>(field: &[u8], quick: impl Fn(&[u8]) -> Option<T>, all: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if let Some(value) = quick(field) {
        return Some(Some(value));
    }
    if is_missing(field) {
        return Some(None);
    }
    match all(str::from_utf8(field).ok()?) {
        None if is_missing_word(field) => Some(None),
        None => None,
        value => Some(value),
    }
}
