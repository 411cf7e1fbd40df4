//! The query language: text to a checked pipeline. Owns syntax, types, functions and messages; never reads data,
//! knows no plan.

mod calls;
mod check;
mod condition;
mod functions;
mod ir;
mod literal;
mod measure;
mod operators;
mod pipeline;
mod print;
mod quoted;
mod source;
mod stages;
mod suggest;
mod syntax;
mod types;

pub(crate) use calls::MACRO_LEVELS;
pub(crate) use condition::RawCondition;
pub(crate) use functions::{Aggregate, Op};
pub(crate) use ir::{BinaryOp, Kind, Lit, Node};
pub(crate) use pipeline::{RawQuery, parse};
pub(crate) use print::{Style, print};
pub use quoted::end_of_text;
pub(crate) use stages::{AggregateCall, CheckedStage, NamedNode, SortKey, check_stages, names_column};
pub(crate) use suggest::nearest;
pub(crate) use types::{Column, Ty, UTC};

#[cfg(test)]
mod robust;
