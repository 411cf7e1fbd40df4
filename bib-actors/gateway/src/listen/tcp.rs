//! The TCP listener: accepts, does the TLS handshake beside other handshakes, and hands the connection on.

use super::connection::{Connection, Stream};
use super::handshakes::Handshakes;
use super::origin::Origin;
use super::quota::{Full, Place, Quota};
use crate::error::GatewayError;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Pause after an accept that failed for want of something (file descriptors, say) that others must give back first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Pause between tries to bind while the incarnation before has not let go yet.
const BIND_PAUSE: Duration = Duration::from_millis(25);

/// Binds `address`, waiting up to `patience` for whoever holds it.
pub(crate) async fn bind(address: SocketAddr, patience: Duration) -> Result<TcpListener, GatewayError> {
    let attempt = async {
        loop {
            match TcpListener::bind(address).await {
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::time::sleep(BIND_PAUSE).await,
                other => return other,
            }
        }
    };
    let in_use = || std::io::Error::from(std::io::ErrorKind::AddrInUse);
    tokio::time::timeout(patience, attempt)
        .await
        .unwrap_or_else(|_| Err(in_use()))
        .map_err(|source| GatewayError::Bind { address: address.to_string(), source })
}

/// Everything that accepting needs.
pub(crate) struct TcpAcceptor {
    /// The TLS side of every connection.
    pub(crate) tls: tokio_rustls::TlsAcceptor,
    /// How many connections there may be.
    pub(crate) quota: Arc<Quota>,
    /// Handshakes at the same time: done before anyone has proved anything.
    pub(crate) handshakes: usize,
    /// How long a handshake may take.
    pub(crate) handshake_timeout: Duration,
    /// Ends the connections.
    pub(crate) token: CancellationToken,
    /// Where finished connections go.
    pub(crate) out: mpsc::Sender<Connection>,
}

impl TcpAcceptor {
    /// Accepts until dropped. Cancel-safe: handshakes under way end with it.
    pub(crate) async fn run(self, listener: TcpListener) {
        let mut handshakes = Handshakes::new(self.handshakes);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = handshakes.ended() => continue,
                () = self.out.closed() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let origin = Origin::Remote(address);
                    match self.place(&mut handshakes, origin.address()).await {
                        Ok(place) => {
                            handshakes.start(origin.address(), self.handshake(stream, origin, place)).await;
                        }
                        Err(full) => tracing::debug!(%origin, ?full, "too many connections: one more is closed"),
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A place in the quota. One that somebody holds who has not even finished the handshake is given up for it: of the
    /// same address when that has all it may have, else of the address that holds most.
    async fn place(&self, handshakes: &mut Handshakes, address: Option<IpAddr>) -> Result<Place, Full> {
        let full = match self.quota.enter(address) {
            Ok(place) => return Ok(place),
            Err(full) => full,
        };
        let given_up = match full {
            Full::InAll => handshakes.give_up_any(address).await,
            Full::FromAddress => handshakes.give_up_of(address).await,
        };
        if given_up { self.quota.enter(address) } else { Err(full) }
    }

    /// The handshake of one connection, as a task of its own.
    fn handshake(
        &self,
        stream: TcpStream,
        origin: Origin,
        place: Place,
    ) -> impl Future<Output = ()> + Send + use<> + 'static {
        let (tls, out) = (self.tls.clone(), self.out.clone());
        let (token, limit) = (self.token.clone(), self.handshake_timeout);
        async move {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%origin, %error, "nodelay is not set");
            }
            match tokio::time::timeout(limit, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let connection = Connection::new(Stream::Tls(Box::new(stream)), origin, place, &token);
                    // Closed only when the server is gone; the connection goes with it.
                    drop(out.send(connection).await);
                }
                Ok(Err(error)) => tracing::debug!(%origin, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%origin, "TLS handshake took too long"),
            }
        }
    }
}
