//! The node's certificates: a certificate authority of its own and the server certificate that it signed.
//!
//! Clients trust the authority by its fingerprint on first use; the server certificate may be renewed at any time
//! without their noticing. Keys never leave `<data_dir>/tls`. The pages may show a certificate that somebody else signed.

mod authority;
mod files;
mod leaf;
mod own;
mod resolver;

pub(crate) use leaf::{Names, is_host_name};
pub(crate) use own::own;
pub(crate) use resolver::Certificates;

use crate::error::TlsError;
use std::path::Path;

/// Day in seconds.
const DAY: i64 = 86_400;

/// The authority and a server certificate that is good for now, made or renewed where needed.
pub(crate) struct Material {
    /// The authority's certificate.
    pub(crate) authority: rustls_pki_types::CertificateDer<'static>,
    /// The server's certificate.
    pub(crate) leaf: rustls_pki_types::CertificateDer<'static>,
    /// The server's key.
    pub(crate) key: rustls_pki_types::PrivateKeyDer<'static>,
    /// When the server's certificate ends, Unix seconds.
    pub(crate) not_after: i64,
}

/// Reads the certificates in `dir` and makes what is missing, about to end, or does not carry `names`.
///
/// Blocking: it reads and writes files.
pub(crate) fn ensure(dir: &Path, names: &Names, now: i64) -> Result<Material, TlsError> {
    files::private_dir(dir)?;
    let authority = authority::Authority::ensure(dir, names, now)?;
    leaf::ensure(dir, &authority, names, now)
}
