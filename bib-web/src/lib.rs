//! bib-web.
