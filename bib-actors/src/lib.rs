//! bib-actors.
