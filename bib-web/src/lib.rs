//! The pages of a BIB node: an actix-web server on threads of its own.
//!
//! It owns one listener and what is served on it: the pages, their assets, one stream of events for each browser, and
//! `/livez` and `/readyz`. What it shows it fetches through the API, with the token of the browser's own session: it
//! is given a [`Take`] that takes calls, and a [`Connector`] for connections that carry files. It links no actor, holds
//! no handle, reads no file and opens no connection of its own. So nothing is allowed here that is not allowed to the same person elsewhere.
//!
//! A page is a module in `pages` with its own `configure`, and an askama template that extends `layout.html`.

mod assets;
mod cel;
mod download;
mod error;
mod events;
mod export;
mod format;
mod fragments;
mod grid;
mod guard;
mod headers;
mod list;
mod pages;
mod readiness;
mod routes;
mod server;
mod session;
mod shell;
mod site;
mod stream;

pub use readiness::{ActorState, Readiness, ReadinessFn};
pub use server::{Serving, WebOptions, WebServer};
pub use site::{Connector, Site, Take};
