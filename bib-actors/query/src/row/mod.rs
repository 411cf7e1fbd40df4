//! The row interpreter: what cannot be vectorized runs value by value through CEL, compiled once for the query.
//! Owns the conversion between Arrow and CEL values, the interpreter's function library, and what a row may take.

mod answers;
mod bounded;
mod evaluate;
mod library;
pub(crate) mod made;
mod meter;
pub(crate) mod scalar;
mod values;

pub(crate) use evaluate::RowExpression;
pub(crate) use meter::METER;
