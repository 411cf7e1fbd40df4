//! What the gateway can be asked.

use bib_kit::Message;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the gateway listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GetListening;

impl Message for GetListening {
    type Reply = Listening;
}

/// Where the pages are served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GetPagesUrl;

impl Message for GetPagesUrl {
    type Reply = (SocketAddr, String);
}

/// Where the gateway listens, and what clients know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// gRPC over TLS.
    pub grpc: Vec<SocketAddr>,
    /// gRPC on the Unix socket.
    pub socket: PathBuf,
    /// SHA-256 of the certificate authority's certificate.
    pub tls_fingerprint: [u8; 32],
}
