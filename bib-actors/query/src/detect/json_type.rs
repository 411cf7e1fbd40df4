//! The type of JSON values, merged over all lines of a file. Reads text without building values; objects keep the
//! order of their keys.

use std::fmt;

use arrow::datatypes::{DataType, Field, Schema};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Different keys that objects of one file may have: a file with more holds maps, not rows.
const MAX_KEYS: usize = super::MAX_COLUMNS;

/// Lists and objects within each other. Not more, because each level is a level of every plan and of every stack that
/// handles the column.
const MAX_DEPTH: usize = 48;

/// What was seen at one place of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JsonType {
    pub(super) missing: bool,
    pub(super) shape: Shape,
}

/// A type; wider ones come later, as far as there is an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Only null was seen.
    #[default]
    Unknown,
    Bool,
    Int,
    /// Whole numbers of more than 63 bits: kept as texts, since a double would change them.
    Big,
    Double,
    Text,
    List(Box<JsonType>),
    Object(Vec<(String, JsonType)>),
}

impl JsonType {
    fn merge(&mut self, by: &Self) -> Result<(), String> {
        self.missing |= by.missing;
        self.shape.merge(&by.shape)
    }
}

impl Shape {
    fn name(&self) -> &'static str {
        match self {
            Self::Unknown => "null",
            Self::Bool => "true or false",
            Self::Int | Self::Big | Self::Double => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Widens the type by a scalar.
    fn widen(&mut self, by: Self) -> Result<(), String> {
        let wide = match (&*self, by) {
            (Self::Unknown, by) => by,
            (known, by) if *known == by => return Ok(()),
            (Self::Int, Self::Big) | (Self::Big, Self::Int) => Self::Big,
            (Self::Int | Self::Big, Self::Double) | (Self::Double, Self::Int | Self::Big) => Self::Double,
            (Self::Bool | Self::Int | Self::Big | Self::Double | Self::Text, _) => Self::Text,
            (known, by) => return Err(mixed(by.name(), known)),
        };
        *self = wide;
        Ok(())
    }

    /// Widens the type by what another file has in the same place.
    pub(crate) fn merge(&mut self, by: &Self) -> Result<(), String> {
        match (&mut *self, by) {
            (_, Self::Unknown) => Ok(()),
            (Self::List(item), Self::List(theirs)) => item.merge(theirs),
            (Self::Object(fields), Self::Object(theirs)) => {
                for (at, (name, theirs)) in theirs.iter().enumerate() {
                    // files mostly have the same keys in the same order
                    let known = match fields.get(at) {
                        Some((known, _)) if known == name => Some(at),
                        _ => fields.iter().position(|(known, _)| known == name),
                    };
                    match known {
                        Some(known) => fields[known].1.merge(theirs)?,
                        None if fields.len() >= MAX_KEYS => return Err(format!("more than {MAX_KEYS} different keys")),
                        None => fields.push((name.clone(), theirs.clone())),
                    }
                }
                Ok(())
            }
            (known @ Self::Unknown, by) => {
                *known = by.clone();
                Ok(())
            }
            (known, Self::List(_) | Self::Object(_)) => Err(mixed(by.name(), known)),
            (known, by) => known.widen(by.clone()),
        }
    }

    pub(super) fn to_arrow(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Unknown | Self::Big | Self::Text => DataType::Utf8,
            Self::List(item) => DataType::new_list(item.shape.to_arrow(), true),
            Self::Object(fields) => {
                DataType::Struct(fields.iter().map(|(name, ty)| Field::new(name, ty.shape.to_arrow(), true)).collect())
            }
        }
    }

    /// The schema of lines that are objects of this shape.
    pub(crate) fn to_schema(&self) -> Schema {
        let Self::Object(fields) = self else { return Schema::empty() };
        Schema::new(fields.iter().map(|(name, ty)| Field::new(name, ty.shape.to_arrow(), true)).collect::<Vec<_>>())
    }
}

fn mixed(what: &str, known: &Shape) -> String {
    format!("{what} where other lines have {}", known.name())
}

/// Takes one JSON value into account.
pub(super) struct See<'a> {
    ty: &'a mut JsonType,
    depth: usize,
}

impl<'a> See<'a> {
    /// A value that stands at the beginning of a line.
    pub(super) fn line(ty: &'a mut JsonType) -> Self {
        Self { ty, depth: 0 }
    }
}

impl<'de> DeserializeSeed<'de> for See<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl See<'_> {
    fn widen<E: serde::de::Error>(self, by: Shape) -> Result<(), E> {
        self.ty.shape.widen(by).map_err(E::custom)
    }

    /// The depth of what lies within.
    fn deeper<E: serde::de::Error>(&self) -> Result<usize, E> {
        match self.depth {
            MAX_DEPTH.. => Err(E::custom(format!("values nested deeper than {MAX_DEPTH} levels"))),
            depth => Ok(depth + 1),
        }
    }
}

impl<'de> Visitor<'de> for See<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.ty.missing = true;
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.widen(Shape::Bool)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.widen(Shape::Int)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.widen(if i64::try_from(value).is_ok() { Shape::Int } else { Shape::Big })
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.widen(Shape::Double)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.widen(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        if self.ty.shape == Shape::Unknown {
            self.ty.shape = Shape::List(Box::default());
        }
        let Shape::List(item) = &mut self.ty.shape else {
            return Err(serde::de::Error::custom(mixed("a list", &self.ty.shape)));
        };
        while seq.next_element_seed(See { ty: &mut *item, depth })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        if self.ty.shape == Shape::Unknown {
            self.ty.shape = Shape::Object(Vec::new());
        }
        let Shape::Object(fields) = &mut self.ty.shape else {
            return Err(serde::de::Error::custom(mixed("an object", &self.ty.shape)));
        };
        // lines mostly have the same keys in the same order
        let mut expected = 0;
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let at = match fields.get(expected) {
                Some((name, _)) if *name == key => expected,
                _ => match fields.iter().position(|(name, _)| *name == key) {
                    Some(at) => at,
                    None if fields.len() >= MAX_KEYS => {
                        return Err(serde::de::Error::custom(format!("more than {MAX_KEYS} different keys")));
                    }
                    None => {
                        fields.push((key.into_owned(), JsonType::default()));
                        fields.len() - 1
                    }
                },
            };
            map.next_value_seed(See { ty: &mut fields[at].1, depth })?;
            expected = at + 1;
        }
        Ok(())
    }
}
