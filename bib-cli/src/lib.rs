//! bib-cli.
