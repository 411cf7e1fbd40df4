//! bib-gateway.
