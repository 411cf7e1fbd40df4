//! Checked steps to a DataFusion plan. Owns the translation; knows columns by name and type, no files.

mod build;
mod compare;
mod kernels;
mod lower;
mod text;

pub(crate) use build::{Plan, build};

#[cfg(test)]
mod agreement;
