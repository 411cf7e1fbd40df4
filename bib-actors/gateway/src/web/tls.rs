//! TLS for browsers, with the certificate that the gateway keeps and renews or with one that somebody else signed.

use super::door::Door;
use crate::error::TlsError;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// Finds the certificate at each handshake, so that a renewal needs no restart.
pub(super) struct AtTheDoor(pub(super) Door);

impl std::fmt::Debug for AtTheDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AtTheDoor").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for AtTheDoor {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.certificates()?.resolve(hello)
    }
}

/// TLS 1.3 only. The web server adds the protocols that it speaks.
pub(super) fn config(resolver: Arc<dyn ResolvesServerCert>) -> Result<rustls::ServerConfig, TlsError> {
    Ok(rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(resolver))
}
