//! Tests of the command line as a whole; nothing here needs a node.

mod program;
mod reference;
