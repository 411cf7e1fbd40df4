//! bib-query.
