//! TLS 1.3 for connections over TCP, as libp2p describes it, with the cipher that this machine has in hardware first.
//! Certificates, their checks and their signatures are libp2p's. Never listens or dials.
//!
//! libp2p's own upgrade asks for ChaCha20 first whatever the processor can do, and hands every small write of the muxer
//! to TLS as a record and a system call of its own: so the suites are ordered here, and bytes gather before and behind
//! TLS.

use crate::gather::Gather;
use futures::future::BoxFuture;
use futures::io::{AsyncRead, AsyncWrite, BufReader};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::PeerId;
use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};
use libp2p::identity::Keypair;
use libp2p::tls::certificate;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    SupportedCipherSuite,
};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What libp2p calls this upgrade when protocols are negotiated.
const PROTOCOL: &str = "/tls/1.0.0";
/// What libp2p asks for within TLS.
const ALPN: &[u8] = b"libp2p";

/// A connection that is encrypted and whose other end has proven its key. Writes gather until they are flushed or fill a
/// few records; a read takes as much from the socket as there is room.
pub(crate) type Secured<C> = Gather<TlsStream<BufReader<C>>>;

/// TLS for both directions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    /// Bytes that gather in each direction of a connection.
    buffer: usize,
}

/// Why there is no TLS: a certificate could not be made, or not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] certificate::GenError),
    #[error("cannot set TLS up: {0}")]
    Setup(#[from] rustls::Error),
}

/// Why a connection was not secured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] std::io::Error),
    #[error("the peer's certificate is not one of libp2p: {0}")]
    Certificate(#[from] certificate::ParseError),
    #[error("the peer showed {0} certificates where libp2p wants one")]
    Count(usize),
}

impl Tls {
    /// TLS with the key of this node. `buffer` bytes gather in each direction of a connection.
    pub(crate) fn new(keypair: &Keypair, buffer: usize) -> Result<Self, TlsError> {
        let provider = Arc::new(CryptoProvider { cipher_suites: suites(has_aes()), ..aws_lc_rs::default_provider() });
        let (certificate, key) = certificate::generate(keypair)?;
        let key = provider.key_provider.load_private_key(key)?;
        let shown = Arc::new(Shown(Arc::new(CertifiedKey::new(vec![certificate], key))));
        let verifier = Arc::new(Verifier(Arc::clone(&provider)));
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::clone(&verifier) as Arc<dyn ClientCertVerifier>)
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        server.alpn_protocols = vec![ALPN.to_vec()];
        // connections are long, and who comes again is asked for its key again
        server.send_tls13_tickets = 0;
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(shown);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = rustls::client::Resumption::disabled();
        // the name below is no name, and libp2p wants none to be sent
        client.enable_sni = false;
        Ok(Self { server: Arc::new(server), client: Arc::new(client), buffer })
    }

    fn secured<C>(&self, stream: TlsStream<BufReader<C>>) -> Result<(PeerId, Secured<C>), UpgradeError>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let peer = peer_of(stream.get_ref().1)?;
        Ok((peer, Gather::new(self.buffer, stream)))
    }
}

/// Whom the certificate of a finished handshake speaks for.
fn peer_of(state: &CommonState) -> Result<PeerId, UpgradeError> {
    match state.peer_certificates() {
        Some([only]) => Ok(certificate::parse(only)?.peer_id()),
        others => Err(UpgradeError::Count(others.map_or(0, <[_]>::len))),
    }
}

/// The suites of TLS 1.3, the fastest of this machine first. The dialing side's order decides.
fn suites(aes: bool) -> Vec<SupportedCipherSuite> {
    use aws_lc_rs::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256};
    if aes {
        vec![TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_128_GCM_SHA256]
    } else {
        vec![TLS13_CHACHA20_POLY1305_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_AES_128_GCM_SHA256]
    }
}

/// Whether the processor has instructions for AES. Without them it is slow, and gives its keys away by its timing.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

impl UpgradeInfo for Tls {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL)
    }
}

impl<C> InboundConnectionUpgrade<C> for Tls
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, Secured<C>);
    type Error = UpgradeError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        Box::pin(async move {
            let socket = BufReader::with_capacity(self.buffer, socket);
            let stream = TlsAcceptor::from(Arc::clone(&self.server)).accept(socket).await?;
            self.secured(stream.into())
        })
    }
}

impl<C> OutboundConnectionUpgrade<C> for Tls
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, Secured<C>);
    type Error = UpgradeError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        Box::pin(async move {
            let socket = BufReader::with_capacity(self.buffer, socket);
            let name = ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into());
            let stream = TlsConnector::from(Arc::clone(&self.client)).connect(name, socket).await?;
            self.secured(stream.into())
        })
    }
}

/// Shows the one certificate there is. rustls would look into it first, and refuse libp2p's extension, which says that
/// whoever does not know it must not take it.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes one certificate of libp2p, whoever's it is: whether its owner may be talked to is decided by the swarm, which is
/// told its id.
#[derive(Debug)]
struct Verifier(Arc<CryptoProvider>);

impl Verifier {
    fn check(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<(), rustls::Error> {
        if !intermediates.is_empty() {
            return Err(rustls::Error::General("libp2p wants a single certificate".into()));
        }
        certificate::parse(end_entity)?;
        Ok(())
    }

    fn signature(
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        certificate::parse(cert)?.verify_signature(signed.scheme, message, signed.signature())?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// TLS 1.2 is not offered.
fn too_old() -> rustls::Error {
    rustls::Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOfferedOrEnabled)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Self::check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Self::check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Self::signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes()
    }
}

#[cfg(test)]
mod tests;
