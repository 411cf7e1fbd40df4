//! The certificate in use, which a renewal replaces without a restart, and the TLS configuration around it.

use super::authority::fingerprint_of;
use super::{Material, Names, ensure};
use crate::error::TlsError;
use parking_lot::RwLock;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::path::PathBuf;
use std::sync::Arc;

/// The node's certificates, present and future.
pub(crate) struct Certificates {
    dir: PathBuf,
    names: Names,
    fingerprint: [u8; 32],
    current: RwLock<(Arc<CertifiedKey>, i64)>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Reads or makes the certificates in `dir`. Blocking.
    pub(crate) fn open(dir: PathBuf, names: Names, now: i64) -> Result<Arc<Self>, TlsError> {
        let material = ensure(&dir, &names, now)?;
        let fingerprint = fingerprint_of(&material.authority);
        let not_after = material.not_after;
        let current = RwLock::new((certified(material)?, not_after));
        Ok(Arc::new(Self { dir, names, fingerprint, current }))
    }

    /// Renews the server certificate if its end is near. Blocking.
    pub(crate) fn renew(&self, now: i64) -> Result<(), TlsError> {
        let material = ensure(&self.dir, &self.names, now)?;
        let not_after = material.not_after;
        if not_after != self.current.read().1 {
            *self.current.write() = (certified(material)?, not_after);
        }
        Ok(())
    }

    /// SHA-256 of the authority's certificate: what clients remember.
    pub(crate) const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// TLS 1.3 only, HTTP/2 only. The chain that is sent holds the authority too, so that a client which knows
    /// nothing but its fingerprint can find it there.
    pub(crate) fn server_config(self: &Arc<Self>) -> Result<rustls::ServerConfig, TlsError> {
        let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().0))
    }
}

fn certified(material: Material) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = aws_lc_rs::sign::any_supported_type(&material.key)?;
    Ok(Arc::new(CertifiedKey::new(vec![material.leaf, material.authority], key)))
}
