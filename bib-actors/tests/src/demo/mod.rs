//! The main job, told in plain words: two nodes, real data, a query on the other machine, a proof.

mod report;
mod story;

pub use report::Report;
pub use story::{Ending, Story, run};
