//! A certificate that somebody else signed, for the pages: read with its key at a start, never written.

use super::files;
use crate::error::TlsError;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Reads a certificate, those that follow it in its file, and its key, which nobody else on this machine may read.
///
/// Blocking: it reads files.
pub(crate) fn own(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong = |path: &Path, detail: &str| TlsError::Own { path: path.to_owned(), detail: detail.to_owned() };
    let text = files::read(certificate)?.ok_or_else(|| wrong(certificate, "it is not there"))?;
    let chain = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| wrong(certificate, &error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "no certificate stands in it"));
    }
    let text = files::read_key(key)?.ok_or_else(|| wrong(key, "it is not there"))?;
    let private = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| wrong(key, &error.to_string()))?;
    CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()).map_err(|error| {
        wrong(key, &format!("it is not the key of the first certificate in {}: {error}", certificate.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use std::os::unix::fs::PermissionsExt;

    /// A certificate and its key in files of `folder`.
    fn write(folder: &Path, name: &str) -> [std::path::PathBuf; 2] {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["lab-a.example.org".to_owned()]).unwrap().self_signed(&key).unwrap();
        let paths = ["pem", "key"].map(|ending| folder.join(format!("{name}.{ending}")));
        std::fs::write(&paths[0], made.pem()).unwrap();
        files::write(&paths[1], &key.serialize_pem()).unwrap();
        paths
    }

    #[test]
    fn a_certificate_is_taken_with_its_key_and_with_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = write(folder.path(), "one");
        let [other, _] = write(folder.path(), "two");
        assert_eq!(own(&certificate, &key).unwrap().cert.len(), 1);
        let chain = [std::fs::read(&certificate).unwrap(), std::fs::read(&other).unwrap()].concat();
        std::fs::write(folder.path().join("chain"), chain).unwrap();
        assert_eq!(own(&folder.path().join("chain"), &key).unwrap().cert.len(), 2);

        let refused = |certificate: &Path, key: &Path| own(certificate, key).unwrap_err().to_string();
        assert!(refused(&other, &key).contains("not the key of the first certificate"));
        assert!(refused(&key, &key).contains("no certificate stands in it"));
        assert!(refused(&folder.path().join("none"), &key).contains("it is not there"));
        assert!(refused(&certificate, &folder.path().join("none")).contains("web.key"));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refused(&certificate, &key).contains("chmod 600"));
    }
}
