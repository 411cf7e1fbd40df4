//! Listeners: TLS on TCP, and a Unix socket. Both feed one gRPC server, which learns from [`Origin`] which it was.
//! A second Unix socket takes open files.

mod connection;
mod handshakes;
mod origin;
mod passing;
mod quota;
mod tcp;
mod unix;

pub(crate) use connection::{Connection, Stream};
pub(crate) use origin::Origin;
pub(crate) use passing::{Passed, Passing, accept_files};
pub(crate) use quota::Quota;
pub(crate) use tcp::{TcpAcceptor, bind};
pub(crate) use unix::{UnixAcceptor, leave_word, socket_path};
