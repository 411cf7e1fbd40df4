//! bib-chunks.
