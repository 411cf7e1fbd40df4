//! The pages of a BIB node: an actix-web server on a thread of its own.
//!
//! It owns one listener and the routes on it: `/livez` (the process answers) and `/readyz` (every actor runs).
//! It learns what it shows from the closure that it is given and asks nothing else: it holds no handle, reads no
//! file and opens no connection. Pages join as further modules beside `routes`, each with its own `configure`.

mod headers;
mod readiness;
mod routes;
mod server;

pub use readiness::{ActorState, Readiness, ReadinessFn};
pub use server::{WebOptions, WebServer};
