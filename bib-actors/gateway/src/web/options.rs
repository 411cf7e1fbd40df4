//! What the pages' actor is told.

use super::announced::Announced;
use bib_domain::{NodeId, NodeMode};
use bib_web::WebOptions;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The options of the pages.
#[derive(Debug, Clone)]
pub struct PagesOptions {
    /// Where they listen. Port 0 takes a free one. Since 0.1.
    pub listen: SocketAddr,
    /// Whether they are served over TLS, with the gateway's certificate. Addresses that others can reach need it.
    /// Since 0.1.
    pub tls: bool,
    /// Files with a certificate that somebody else signed and with its key, in place of the gateway's. Since 0.1.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// What people are told instead of the address that is listened on; browsers may ask under it. Since 0.1.
    pub announce: Option<Announced>,
    /// Names under which browsers may ask for them, beside this machine's own. Since 0.1.
    pub hosts: Vec<String>,
    /// The node's id. Since 0.1.
    pub node_id: NodeId,
    /// The node's name for people. Since 0.1.
    pub node_name: String,
    /// The node's mode: what a proxy would refuse is not offered. Since 0.1.
    pub mode: NodeMode,
    /// How long to wait for a port that the incarnation before holds.
    pub bind_patience: Duration,
    /// How long to wait for the gateway's certificate, which it makes in its first start.
    pub certificate_patience: Duration,
    /// Bytes on their way between pages and gateway, for each connection within the process and each direction.
    pub inside_buffer: usize,
    /// Bounds of the web server.
    pub web: WebOptions,
}

impl PagesOptions {
    /// The usual port on loopback, the usual bounds.
    #[must_use]
    pub fn new(node_id: NodeId, node_name: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 4080)),
            tls: false,
            certificate: None,
            announce: None,
            hosts: Vec::new(),
            node_id,
            node_name: node_name.into(),
            mode: NodeMode::Full,
            bind_patience: Duration::from_secs(5),
            certificate_patience: Duration::from_secs(60),
            inside_buffer: 256 << 10,
            web: WebOptions::default(),
        }
    }
}
