//! The types of the language and how Arrow's types map to them. Pure: no plan, no data.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

/// The time zone of every timestamp that is computed.
pub(crate) const UTC: &str = "UTC";

/// A type of the language.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Ty {
    /// Only the literal `null` and empty list elements have it.
    Null,
    Bool,
    /// 64 bits, signed.
    Int,
    /// 64 bits, IEEE 754.
    Double,
    String,
    Bytes,
    /// Microseconds, UTC.
    Timestamp,
    Date,
    /// Microseconds.
    Duration,
    List(Box<Ty>),
    Struct(Arc<[(String, Ty)]>),
    /// Keys are strings.
    Map(Box<Ty>),
    /// An Arrow type that can be selected, but not computed with.
    Opaque(DataType),
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Date => f.write_str("date"),
            Self::Duration => f.write_str("duration"),
            Self::List(item) => write!(f, "list of {item}"),
            Self::Struct(_) => f.write_str("struct"),
            Self::Map(value) => write!(f, "map of string to {value}"),
            Self::Opaque(arrow) => write!(f, "{arrow}"),
        }
    }
}

impl Ty {
    /// The type that a column of this Arrow type has in the language.
    pub(crate) fn of_arrow(arrow: &DataType) -> Self {
        match arrow {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool,
            DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::UInt8
            | DataType::UInt16
            | DataType::UInt32
            | DataType::UInt64 => Self::Int,
            DataType::Float16
            | DataType::Float32
            | DataType::Float64
            | DataType::Decimal32(..)
            | DataType::Decimal64(..)
            | DataType::Decimal128(..)
            | DataType::Decimal256(..) => Self::Double,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::String,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Bytes
            }
            DataType::Timestamp(..) => Self::Timestamp,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Duration(_) => Self::Duration,
            DataType::Dictionary(_, value) => Self::of_arrow(value),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Self::List(Box::new(Self::of_arrow(item.data_type())))
            }
            DataType::Struct(fields) => {
                Self::Struct(fields.iter().map(|f| (f.name().clone(), Self::of_arrow(f.data_type()))).collect())
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(pair) if pair.len() == 2 && Self::of_arrow(pair[0].data_type()) == Self::String => {
                    Self::Map(Box::new(Self::of_arrow(pair[1].data_type())))
                }
                _ => Self::Opaque(arrow.clone()),
            },
            other => Self::Opaque(other.clone()),
        }
    }

    /// The Arrow type that computed values of this type have.
    pub(crate) fn to_arrow(&self) -> DataType {
        match self {
            Self::Null => DataType::Null,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            Self::Date => DataType::Date32,
            Self::Duration => DataType::Duration(TimeUnit::Microsecond),
            Self::List(item) => DataType::List(Arc::new(Field::new_list_field(item.to_arrow(), true))),
            Self::Struct(fields) => {
                DataType::Struct(fields.iter().map(|(name, ty)| Field::new(name, ty.to_arrow(), true)).collect())
            }
            Self::Map(value) => DataType::Map(
                Arc::new(Field::new_struct(
                    "entries",
                    vec![Field::new("keys", DataType::Utf8, false), Field::new("values", value.to_arrow(), true)],
                    false,
                )),
                false,
            ),
            Self::Opaque(arrow) => arrow.clone(),
        }
    }

    /// Whether values have an order: `<` and friends, sorting, min and max.
    pub(crate) fn is_ordered(&self) -> bool {
        matches!(
            self,
            Self::Bool
                | Self::Int
                | Self::Double
                | Self::String
                | Self::Bytes
                | Self::Timestamp
                | Self::Date
                | Self::Duration
        )
    }

    /// Whether values are lists, structs or maps.
    pub(crate) fn is_nested(&self) -> bool {
        matches!(self, Self::List(_) | Self::Struct(_) | Self::Map(_))
    }

    /// A type that cannot be computed with, in it or in what it holds.
    pub(crate) fn opaque(&self) -> Option<&Self> {
        match self {
            Self::Opaque(_) => Some(self),
            Self::List(item) | Self::Map(item) => item.opaque(),
            Self::Struct(fields) => fields.iter().find_map(|(_, ty)| ty.opaque()),
            _ => None,
        }
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double)
    }

    /// The type that both sides of a comparison, a list or a condition can have: ints become doubles beside
    /// doubles, dates become timestamps beside timestamps, null becomes anything.
    pub(crate) fn unify(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (a, b) if a == b => Some(a.clone()),
            (Self::Null, other) | (other, Self::Null) => Some(other.clone()),
            (Self::Int, Self::Double) | (Self::Double, Self::Int) => Some(Self::Double),
            (Self::Date, Self::Timestamp) | (Self::Timestamp, Self::Date) => Some(Self::Timestamp),
            (Self::List(a), Self::List(b)) => Some(Self::List(Box::new(a.unify(b)?))),
            _ => None,
        }
    }
}

/// A column that an expression can name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) ty: Ty,
    /// What the data has, which may be narrower than what the language computes with.
    pub(crate) arrow: DataType,
}

impl Column {
    pub(crate) fn of_schema(schema: &Schema) -> Vec<Self> {
        schema
            .fields()
            .iter()
            .map(|f| Self { name: f.name().clone(), ty: Ty::of_arrow(f.data_type()), arrow: f.data_type().clone() })
            .collect()
    }

    /// A column that the pipeline computed.
    pub(crate) fn computed(name: &str, ty: &Ty) -> Self {
        Self { name: name.to_owned(), ty: ty.clone(), arrow: ty.to_arrow() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_types_are_widened_and_odd_ones_kept() {
        assert_eq!(Ty::of_arrow(&DataType::UInt8), Ty::Int);
        assert_eq!(Ty::of_arrow(&DataType::Float32), Ty::Double);
        assert_eq!(Ty::of_arrow(&DataType::Timestamp(TimeUnit::Nanosecond, None)), Ty::Timestamp);
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        assert_eq!(Ty::of_arrow(&dictionary), Ty::String);
        assert!(matches!(Ty::of_arrow(&DataType::Time64(TimeUnit::Nanosecond)), Ty::Opaque(_)));
    }

    #[test]
    fn every_computed_type_survives_the_way_through_arrow() {
        let inner = Ty::Struct([("a".to_owned(), Ty::Int), ("b".to_owned(), Ty::String)].into_iter().collect());
        for ty in [
            Ty::Bool,
            Ty::Int,
            Ty::Double,
            Ty::String,
            Ty::Bytes,
            Ty::Timestamp,
            Ty::Date,
            Ty::Duration,
            Ty::List(Box::new(inner.clone())),
            Ty::Map(Box::new(inner)),
        ] {
            assert_eq!(Ty::of_arrow(&ty.to_arrow()), ty);
        }
    }

    #[test]
    fn unify_is_symmetric() {
        let all = [Ty::Null, Ty::Int, Ty::Double, Ty::String, Ty::Date, Ty::Timestamp, Ty::List(Box::new(Ty::Int))];
        for a in &all {
            for b in &all {
                assert_eq!(a.unify(b), b.unify(a), "{a} and {b}");
            }
        }
    }
}
