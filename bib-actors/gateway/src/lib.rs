//! The gateway: the one way in, for people and programs.
//!
//! It owns the listeners (gRPC over TLS, gRPC on a Unix socket; the pages are an actor of their own in [`web`]), sessions, login and the table that
//! says who may call what. It translates calls into verbs of the actors below it and their errors into statuses; it
//! decides nothing about data, holds no state that must survive, and is asked by nobody. Bytes of uploads and
//! downloads stream through it in bounded pieces.
//!
//! A panic in one call fails that call. A panic in the gateway itself ends the incarnation with all its connections;
//! the next one binds the same ports. What was acknowledged is with the guardian by then.

mod access;
mod actor;
mod deps;
mod error;
mod events;
mod handle;
mod journal;
mod listen;
mod mapping;
mod messages;
mod options;
mod problem;
mod reflection;
mod serve;
mod services;
mod shared;
mod tls;
pub mod web;

pub use access::check_keys;
pub use actor::{GatewayActor, NAME, child, spec};
pub use deps::{GatewayDeps, ShutdownFn};
pub use error::{GatewayError, TlsError};
pub use handle::GatewayHandle;
pub use messages::Listening;
pub use options::{BootstrapKey, CallOptions, ConnectionOptions, GatewayOptions, SessionOptions, TransferOptions};
pub use problem::{DOMAIN, Problem};
