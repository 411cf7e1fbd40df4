//! The row interpreter: what cannot be vectorized runs value by value through CEL, compiled once for the query.
//! Owns the conversion between Arrow and CEL values and the interpreter's function library.

mod evaluate;
mod library;
pub(crate) mod scalar;
mod values;

pub(crate) use evaluate::RowExpression;
