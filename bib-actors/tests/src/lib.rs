//! bib-tests.
