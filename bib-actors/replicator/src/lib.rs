//! bib-replicator.
