//! A topic as the catalogue knows it, and what it takes to make one.

use crate::recall::Weigh;
use bib_domain::{NodeId, TopicName};

/// A topic with its totals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// What its owner says about it.
    pub description: String,
    /// The node that made it.
    pub owner: NodeId,
    /// How many datasets it has.
    pub datasets: u64,
    /// Bytes of the latest version of each.
    pub bytes: u64,
    /// Whether this node keeps its datasets up to date.
    pub subscribed: bool,
    /// When its owner made it, Unix milliseconds.
    pub created_ms: i64,
    /// When this node last changed anything in it, Unix milliseconds.
    pub updated_ms: i64,
}

/// What it takes to make a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// What its owner says about it.
    pub description: String,
    /// The node that made it.
    pub owner: NodeId,
    /// When its owner made it, Unix milliseconds.
    pub created_ms: i64,
    /// Succeed with the topic as it is when it is there already.
    pub if_not_exists: bool,
}

impl Weigh for Topic {
    fn heap_bytes(&self) -> usize {
        self.name.as_str().len() + self.description.capacity()
    }
}
