//! Values that go into and come out of statements.

use super::DbError;
use bib_domain::{NodeId, VersionId};

/// A parameter or a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// SQL null.
    Null,
    /// 64-bit integer.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Truth value; an integer 0 or 1 in SQLite.
    Bool(bool),
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// 64-bit integer.
    Int,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// Truth value.
    Bool,
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}
impl<const N: usize> From<&[u8; N]> for Value {
    fn from(value: &[u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<&VersionId> for Value {
    fn from(value: &VersionId) -> Self {
        Self::Bytes(value.as_bytes().to_vec())
    }
}
impl From<&NodeId> for Value {
    fn from(value: &NodeId) -> Self {
        Self::Text(value.as_str().to_owned())
    }
}
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One row of an answer; columns are taken in order.
#[derive(Debug)]
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    fn next(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Null)
    }

    fn wrong(wanted: &str, got: &Value) -> DbError {
        let kind = match got {
            Value::Null => "null or no column",
            Value::Int(_) => "an integer",
            Value::Text(_) => "a text",
            Value::Bytes(_) => "bytes",
            Value::Bool(_) => "a truth value",
        };
        DbError::Refused(format!("a column holds {kind} where {wanted} was expected"))
    }

    /// The next column, an integer.
    pub(crate) fn int(&mut self) -> Result<i64, DbError> {
        match self.next() {
            Value::Int(value) => Ok(value),
            other => Err(Self::wrong("an integer", &other)),
        }
    }

    /// The next column, a number that is never negative.
    pub(crate) fn count(&mut self) -> Result<u64, DbError> {
        let value = self.int()?;
        u64::try_from(value).map_err(|_| DbError::Refused("a column holds a negative number".to_owned()))
    }

    /// The next column, a text.
    pub(crate) fn text(&mut self) -> Result<String, DbError> {
        match self.next() {
            Value::Text(value) => Ok(value),
            other => Err(Self::wrong("a text", &other)),
        }
    }

    /// The next column, a text or null.
    pub(crate) fn maybe_text(&mut self) -> Result<Option<String>, DbError> {
        match self.next() {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            other => Err(Self::wrong("a text", &other)),
        }
    }

    /// The next column, a text of a given form.
    pub(crate) fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, DbError> {
        let text = self.text()?;
        text.parse().map_err(|_| DbError::Refused(format!("a column holds {text:?}, which does not parse")))
    }

    /// The next column, bytes.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, DbError> {
        match self.next() {
            Value::Bytes(value) => Ok(value),
            other => Err(Self::wrong("bytes", &other)),
        }
    }

    /// The next column, 32 bytes.
    pub(crate) fn bytes32(&mut self) -> Result<[u8; 32], DbError> {
        match self.next() {
            Value::Bytes(value) => value
                .try_into()
                .map_err(|value: Vec<u8>| DbError::Refused(format!("a hash has {} bytes instead of 32", value.len()))),
            other => Err(Self::wrong("32 bytes", &other)),
        }
    }

    /// The next column, a truth value.
    pub(crate) fn bool(&mut self) -> Result<bool, DbError> {
        match self.next() {
            Value::Bool(value) => Ok(value),
            Value::Int(value @ (0 | 1)) => Ok(value == 1),
            other => Err(Self::wrong("a truth value", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_taken_in_order_and_checked() {
        let mut row =
            Row::new(vec![1.into(), "x".into(), true.into(), Value::Int(1), (&[7_u8; 32]).into(), Value::Null]);
        assert_eq!(row.int().unwrap(), 1);
        assert_eq!(row.text().unwrap(), "x");
        assert!(row.bool().unwrap());
        assert!(row.bool().unwrap());
        assert_eq!(row.bytes32().unwrap(), [7; 32]);
        assert_eq!(row.maybe_text().unwrap(), None);
        assert!(row.int().is_err(), "there are no more columns");
        assert!(Row::new(vec![Value::Int(-1)]).count().is_err());
    }

    impl From<i32> for Value {
        fn from(value: i32) -> Self {
            Self::Int(i64::from(value))
        }
    }
}
