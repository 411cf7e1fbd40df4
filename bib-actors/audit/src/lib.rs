//! bib-audit.
