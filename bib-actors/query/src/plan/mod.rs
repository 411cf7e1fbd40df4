//! Checked steps to a DataFusion plan. Owns the translation; knows columns by name and type, no files.

mod build;
mod compare;
mod every_row;
mod kernels;
mod logic;
mod lower;
mod pattern;
mod stored;
mod text;

pub(crate) use build::{Order, Plan, build, column_node};
pub(crate) use compare::{bits, finite_or_null};
pub(crate) use lower::Lowering;

#[cfg(test)]
mod agreement;
