//! bib-guardian.
