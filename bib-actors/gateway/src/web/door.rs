//! The door between the pages and the gateway: connections within the process, into whichever incarnation is there.
//!
//! A connection through it is one like any other: it counts against a quota, has no rights of its own and brings the
//! session's token with each call. So does a call that is handed over without a connection, which is how pages are
//! made: it passes the same gate, and only the writing and reading of HTTP/2 is left out.

use super::calls::Calls;
use crate::listen::{Connection, Origin, Quota, Stream};
use crate::tls::Certificates;
use bib_kit::CancellationToken;
use parking_lot::Mutex;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tonic::Status;
use tonic::body::Body;

/// What one incarnation of the gateway opens the door to.
#[derive(Clone)]
pub(crate) struct Opening {
    /// Where its server takes connections. Weak: the door keeps no incarnation alive.
    pub(crate) out: mpsc::WeakSender<Connection>,
    /// How many connections there may be.
    pub(crate) quota: Arc<Quota>,
    /// Takes calls without a connection. Weak too.
    pub(crate) calls: Weak<Calls>,
    /// Ends them with the incarnation.
    pub(crate) token: CancellationToken,
    /// The certificate that the pages show where they serve TLS.
    pub(crate) certificates: Arc<Certificates>,
}

struct Shared {
    opening: watch::Sender<Option<Opening>>,
    pages_url: Mutex<String>,
}

/// What is answered while there is no gateway: the same as where no connection can be made.
pub(super) fn away() -> http::Response<Body> {
    Status::unavailable("the node's gateway is starting").into_http()
}

/// The door. Made once by the composition root; cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Shared>);

impl Default for Door {
    fn default() -> Self {
        Self::new()
    }
}

impl Door {
    /// A door that leads nowhere until a gateway opens it.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared { opening: watch::Sender::new(None), pages_url: Mutex::default() }))
    }

    /// From now on, connections lead to this incarnation.
    pub(crate) fn open(&self, opening: Opening) {
        self.0.opening.send_replace(Some(opening));
    }

    /// A connection to the present gateway.
    ///
    /// # Errors
    /// When the gateway starts, restarts, or has as many connections as it takes.
    pub async fn connect(&self, buffer: usize) -> io::Result<DuplexStream> {
        let away = || io::Error::new(io::ErrorKind::ConnectionRefused, "the node's gateway is starting");
        let opening = self.0.opening.borrow().clone().ok_or_else(away)?;
        let out = opening.out.upgrade().ok_or_else(away)?;
        let place = opening
            .quota
            .enter(None)
            .map_err(|_| io::Error::new(io::ErrorKind::ConnectionRefused, "the pages have all their connections"))?;
        let (ours, theirs) = tokio::io::duplex(buffer);
        let connection = Connection::new(Stream::Inside(theirs), Origin::Pages, place, &opening.token);
        out.send(connection).await.map_err(|_| away())?;
        Ok(ours)
    }

    /// Has the present gateway answer a call. Cancel-safe: dropping the future ends the call; whether a change took
    /// effect is not known then.
    pub async fn take(&self, request: http::Request<Body>) -> http::Response<Body> {
        let calls = self.0.opening.borrow().as_ref().and_then(|opening| opening.calls.upgrade());
        match calls {
            Some(calls) => calls.answer(request).await,
            None => away(),
        }
    }

    /// The certificate of the present gateway.
    pub(crate) fn certificates(&self) -> Option<Arc<Certificates>> {
        self.0.opening.borrow().as_ref().map(|opening| Arc::clone(&opening.certificates))
    }

    /// Waits until a gateway has opened the door once; false if none does in time.
    pub(crate) async fn opened(&self, patience: Duration) -> bool {
        let mut opening = self.0.opening.subscribe();
        let opened = opening.wait_for(Option::is_some);
        tokio::time::timeout(patience, opened).await.is_ok_and(|found| found.is_ok())
    }

    /// Where the pages are served; empty while they are not.
    pub(crate) fn pages_url(&self) -> String {
        self.0.pages_url.lock().clone()
    }

    /// Says where the pages are served.
    pub(crate) fn serve_at(&self, url: &str) {
        url.clone_into(&mut self.0.pages_url.lock());
    }
}
