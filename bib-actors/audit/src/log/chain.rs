//! Follows the chain through blocks: each record's epoch, position, node and previous hash, and each block's last hash.

use super::block::Block;
use crate::format::{Hash, RecordView, leaf_hash};
use bib_domain::NodeId;

/// Where the chain breaks and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Position of the first record that is wrong or missing.
    pub(crate) seq: u64,
    pub(crate) problem: String,
}

/// The end of the chain followed so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) epoch: u64,
    pub(crate) node_id: NodeId,
    /// Position of the last record; 0 before the first.
    pub(crate) seq: u64,
    /// Its leaf hash.
    pub(crate) hash: Hash,
    /// Its wall clock.
    pub(crate) unix_ns: u64,
}

impl Chain {
    /// Checks every record of `block` and hands each to `each` with its leaf hash.
    pub(crate) fn follow<'b>(
        &mut self,
        block: &Block<'b>,
        mut each: impl FnMut(&RecordView<'b>, Hash),
    ) -> Result<(), Broken> {
        if block.first_seq != self.seq + 1 {
            let problem = format!("a block begins with record {} where {} is next", block.first_seq, self.seq + 1);
            return Err(self.broken(problem));
        }
        for record in block.records() {
            let bytes = record.map_err(|problem| self.broken(problem.to_owned()))?;
            let view = RecordView::parse(bytes).map_err(|error| self.broken(error.to_string()))?;
            self.check(&view).map_err(|problem| self.broken(problem.to_owned()))?;
            self.hash = leaf_hash(bytes);
            self.seq = view.seq;
            self.unix_ns = view.unix_ns;
            each(&view, self.hash);
        }
        if *block.last != self.hash {
            // The next record would say which of the two is wrong, so the one named is the last that can be.
            return Err(Broken {
                seq: self.seq,
                problem: "the record does not have the hash that its block ends with".into(),
            });
        }
        Ok(())
    }

    fn check(&self, view: &RecordView<'_>) -> Result<(), &'static str> {
        if view.seq != self.seq + 1 {
            return Err("the record says another position than its own");
        }
        if view.epoch != self.epoch {
            return Err("the record belongs to another epoch");
        }
        if view.node_id != self.node_id.as_str() {
            return Err("the record belongs to another node");
        }
        if *view.prev_hash != self.hash {
            return Err("the hash of the record before is not the one that this record names: one of them was changed");
        }
        Ok(())
    }

    fn broken(&self, problem: String) -> Broken {
        Broken { seq: self.seq + 1, problem }
    }

    /// The chain's end just before `block`, as its first record tells it. What follows from it is as good as `block`.
    pub(crate) fn before(block: &Block<'_>, epoch: u64, node_id: &NodeId) -> Self {
        let first = block.records().next().and_then(Result::ok).and_then(|bytes| RecordView::parse(bytes).ok());
        Self {
            epoch,
            node_id: node_id.clone(),
            seq: block.first_seq.saturating_sub(1),
            hash: first.map_or(crate::format::ZERO_HASH, |view| *view.prev_hash),
            unix_ns: 0,
        }
    }
}
