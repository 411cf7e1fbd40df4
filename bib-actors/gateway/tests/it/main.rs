//! The gateway over real listeners, with a real guardian, audit chain, swarm and replicator below it, on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod audit;
mod broken_off;
mod calls;
mod handed_over;
mod hostile;
mod kept;
mod local;
mod login;
mod neighbours;
mod nodes;
mod page_answers;
mod page_dataset;
mod page_home;
mod page_links;
mod page_nodes;
mod page_query;
mod page_tables;
mod page_versions;
mod pages;
mod pages_tls;
mod panics;
mod passed;
mod postgres;
mod query;
mod support;
mod tls;
mod transfers;
mod uploads;
mod verify;
mod views;
