//! bib-swarm.
