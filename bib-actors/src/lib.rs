//! bib-actors.

pub mod root;
