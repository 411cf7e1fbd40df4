//! The type of JSON values, merged over all lines of a file. Reads text without building values; objects keep the
//! order of their keys.

use std::fmt;

use arrow::datatypes::{DataType, Field, Schema};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Different keys that objects of one file may have: a file with more holds maps, not rows.
const MAX_KEYS: usize = super::MAX_COLUMNS;

/// What was seen at one place of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct JsonType {
    pub(super) missing: bool,
    pub(super) shape: Shape,
}

/// A type; wider ones come later, as far as there is an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Shape {
    /// Only null was seen.
    #[default]
    Unknown,
    Bool,
    Int,
    Double,
    Text,
    List(Box<JsonType>),
    Object(Vec<(String, JsonType)>),
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "null",
            Self::Bool => "true or false",
            Self::Int | Self::Double => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Widens the type by a scalar.
    fn widen(&mut self, by: Self) -> Result<(), String> {
        let wide = match (&*self, by) {
            (Self::Unknown, by) => by,
            (Self::Int, Self::Double) | (Self::Double, Self::Int) => Self::Double,
            (known, by) if *known == by => return Ok(()),
            (Self::Bool | Self::Int | Self::Double | Self::Text, _) => Self::Text,
            (known, by) => return Err(format!("{} where other lines have {}", by.name(), known.name())),
        };
        *self = wide;
        Ok(())
    }

    pub(super) fn to_arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Unknown | Self::Text => DataType::Utf8,
            Self::List(item) => DataType::new_list(item.shape.to_arrow(), true),
            Self::Object(fields) => {
                DataType::Struct(fields.iter().map(|(name, ty)| Field::new(name, ty.shape.to_arrow(), true)).collect())
            }
        }
    }

    /// The schema of lines that are objects of this shape.
    pub(super) fn to_schema(&self) -> Schema {
        let Self::Object(fields) = self else { return Schema::empty() };
        Schema::new(fields.iter().map(|(name, ty)| Field::new(name, ty.shape.to_arrow(), true)).collect::<Vec<_>>())
    }
}

/// Takes one JSON value into account.
pub(super) struct See<'a>(pub(super) &'a mut JsonType);

impl<'de> DeserializeSeed<'de> for See<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl See<'_> {
    fn widen<E: serde::de::Error>(self, by: Shape) -> Result<(), E> {
        self.0.shape.widen(by).map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for See<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.missing = true;
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.widen(Shape::Bool)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.widen(Shape::Int)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.widen(if i64::try_from(value).is_ok() { Shape::Int } else { Shape::Double })
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.widen(Shape::Double)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.widen(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if self.0.shape == Shape::Unknown {
            self.0.shape = Shape::List(Box::default());
        }
        let Shape::List(item) = &mut self.0.shape else {
            return Err(serde::de::Error::custom(format!("a list where other lines have {}", self.0.shape.name())));
        };
        while seq.next_element_seed(See(item))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.0.shape == Shape::Unknown {
            self.0.shape = Shape::Object(Vec::new());
        }
        let Shape::Object(fields) = &mut self.0.shape else {
            return Err(serde::de::Error::custom(format!("an object where other lines have {}", self.0.shape.name())));
        };
        // lines mostly have the same keys in the same order
        let mut expected = 0;
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let at = match fields.get(expected) {
                Some((name, _)) if *name == key => expected,
                _ => match fields.iter().position(|(name, _)| *name == key) {
                    Some(at) => at,
                    None if fields.len() >= MAX_KEYS => {
                        let why = format!("more than {MAX_KEYS} different keys: this is no table");
                        return Err(serde::de::Error::custom(why));
                    }
                    None => {
                        fields.push((key.into_owned(), JsonType::default()));
                        fields.len() - 1
                    }
                },
            };
            map.next_value_seed(See(&mut fields[at].1))?;
            expected = at + 1;
        }
        Ok(())
    }
}
