//! What the server is told about the node, and the way to its API.

use crate::fragments::Fragments;
use crate::readiness::ReadinessFn;
use crate::session;
use bib_proto::client::{Client, ClientError, ClientOptions};
use futures::future::BoxFuture;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio::runtime::Handle;

/// Makes a connection to the node's API. Called again whenever the one before broke.
pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, io::Result<DuplexStream>> + Send + Sync>;

/// Takes one call to the node's API, with what the browser brought. Answers `Unavailable` while the API is away.
pub use bib_proto::client::Take;

/// The node whose pages these are.
#[derive(Clone)]
pub struct Site {
    /// Its id.
    pub node_id: String,
    /// Its name for people.
    pub node_name: String,
    /// Names and addresses under which browsers may ask for the pages, beside localhost.
    pub hosts: Vec<String>,
    /// Whether the pages are served over TLS.
    pub tls: bool,
    /// Whether the node keeps data. What one that does not would refuse is not offered.
    pub keeps: bool,
    /// What `/readyz` says.
    pub readiness: ReadinessFn,
    /// The way to the API for bytes: a connection of its own for each transfer.
    pub connector: Connector,
    /// The way to the API for everything else.
    pub take: Take,
    /// The runtime that carries the connections.
    pub runtime: Handle,
}

/// What all requests share.
pub(crate) struct Web {
    pub(crate) site: Site,
    /// Name of the session's cookie.
    pub(crate) cookie: String,
    calls: Client,
    /// Tables as they were rendered.
    pub(crate) tables: Fragments,
}

impl Web {
    /// What requests share, with so many bytes of rendered tables among it.
    pub(crate) fn new(site: Site, fragment_bytes: usize) -> Self {
        let calls = Client::handing_over(Arc::clone(&site.take), ClientOptions::default());
        let tables = Fragments::new(fragment_bytes);
        Self { cookie: session::cookie_name(&site.node_id, site.tls), calls, tables, site }
    }

    /// A client for a browser at `address` with this token; its calls are handed over within the process.
    pub(crate) fn client(&self, address: IpAddr, token: Option<&str>) -> Result<Client, ClientError> {
        self.calls.for_browser(address, token)
    }

    /// The same over a connection of its own: for bytes, which a slow browser must not hold up for others.
    pub(crate) fn bulk_client(&self, address: IpAddr, token: Option<&str>) -> Result<Client, ClientError> {
        dial(&self.site).for_browser(address, token)
    }

    /// `http` or `https`.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.site.tls { "https" } else { "http" }
    }
}

fn dial(site: &Site) -> Client {
    let (_runtime, connector) = (site.runtime.enter(), Arc::clone(&site.connector));
    Client::inside(move || connector(), ClientOptions::default())
}
