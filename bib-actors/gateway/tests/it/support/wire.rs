//! Connections below the typed client, for what no client of ours would do.

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A TLS client that trusts `roots` alone.
pub(crate) fn tls_config(
    roots: RootCertStore,
    version: &'static SupportedProtocolVersion,
    alpn: &[u8],
) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

/// A connection that carries any bytes.
pub(crate) struct Raw<S>(pub(crate) S);

impl Raw<TlsStream<TcpStream>> {
    pub(crate) async fn connect(
        address: SocketAddr,
        config: Arc<ClientConfig>,
        name: &'static str,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from(name).unwrap();
        Ok(Self(TlsConnector::from(config).connect(name, stream).await?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Sends bytes and reads until the other side closes.
    pub(crate) async fn exchange(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(bytes).await?;
        self.0.flush().await?;
        let mut answer = Vec::new();
        let read = self.0.read_to_end(&mut answer);
        match tokio::time::timeout(Duration::from_secs(30), read).await {
            Ok(Ok(_)) => Ok(answer),
            // an abrupt end is an end
            Ok(Err(_)) => Ok(answer),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the connection stays open")),
        }
    }
}
