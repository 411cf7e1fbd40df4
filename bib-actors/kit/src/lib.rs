//! bib-kit.
