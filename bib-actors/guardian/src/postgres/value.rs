//! Values of the guardian as PostgreSQL's, and back.

use crate::database::{Column, DbError, Row, Value};
use bytes::BytesMut;
use postgres_protocol::types as wire;
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

impl ToSql for Value {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, ty) {
            (Self::Null, _) => return Ok(IsNull::Yes),
            (Self::Int(value), &Type::INT8) => wire::int8_to_sql(*value, out),
            (Self::Text(value), &Type::TEXT) => wire::text_to_sql(value, out),
            (Self::Bytes(value), &Type::BYTEA) => wire::bytea_to_sql(value, out),
            (Self::Bool(value), &Type::BOOL) => wire::bool_to_sql(*value, out),
            (_, ty) => return Err(format!("a parameter does not fit the column type {ty}").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT | Type::BYTEA | Type::BOOL)
    }

    to_sql_checked!();
}

/// PostgreSQL's name for the type of a column.
pub(super) const fn type_of(column: Column) -> Type {
    match column {
        Column::Int => Type::INT8,
        Column::Text => Type::TEXT,
        Column::Bytes => Type::BYTEA,
        Column::Bool => Type::BOOL,
    }
}

/// Takes a row over.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, DbError> {
    let mut values = Vec::with_capacity(row.len());
    for (index, column) in row.columns().iter().enumerate() {
        let value = match *column.type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(index).map(Value::from),
            Type::INT4 => row.try_get::<_, Option<i32>>(index).map(|value| value.map(i64::from).into()),
            Type::TEXT | Type::NAME => row.try_get::<_, Option<String>>(index).map(Value::from),
            Type::BYTEA => {
                row.try_get::<_, Option<Vec<u8>>>(index).map(|value| value.map_or(Value::Null, Value::Bytes))
            }
            Type::BOOL => row.try_get::<_, Option<bool>>(index).map(Value::from),
            ref other => return Err(DbError::Refused(format!("a column has the unexpected type {other}"))),
        };
        values.push(value.map_err(|error| DbError::Refused(error.to_string()))?);
    }
    Ok(Row::new(values))
}
