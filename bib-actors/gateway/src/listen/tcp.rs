//! The TCP listener: accepts, does the TLS handshake beside other handshakes, and hands the connection on.

use super::connection::{Connection, Stream};
use super::origin::Origin;
use super::quota::Quota;
use crate::error::GatewayError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
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
    /// Handshakes at the same time: the costly part, done before anyone has proved anything.
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
        let mut handshakes = JoinSet::new();
        loop {
            while handshakes.len() >= self.handshakes {
                handshakes.join_next().await;
            }
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = handshakes.join_next() => continue,
                () = self.out.closed() => return,
            };
            match accepted {
                Ok((stream, address)) => drop(handshakes.spawn(self.handshake(stream, address))),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// The handshake of one connection, as a task of its own.
    fn handshake(&self, stream: TcpStream, address: SocketAddr) -> impl Future<Output = ()> + Send + 'static {
        let origin = Origin::Remote(address);
        let (tls, quota, out) = (self.tls.clone(), Arc::clone(&self.quota), self.out.clone());
        let (token, limit) = (self.token.clone(), self.handshake_timeout);
        async move {
            let Some(place) = quota.enter(origin.address()) else {
                tracing::debug!(%origin, "too many connections: one more is closed");
                return;
            };
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
