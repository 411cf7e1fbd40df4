//! The certificate authority: made once, then only read. Its fingerprint is what clients remember.

use super::leaf::Names;
use super::{DAY, files};
use crate::error::TlsError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PublicKeyData,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use std::path::Path;
use std::time::Duration;

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key.pem";
/// A certificate whose key may not be on the disk yet.
const NEW_CERTIFICATE: &str = "ca.new.pem";
/// Long: its end makes every client ask its user again.
const VALID_DAYS: i64 = 20 * 365;
/// Clocks of lab machines differ: begin a day early.
const BACKDATED_DAYS: i64 = 1;
/// Say it in the log this long before the end.
const WARN_DAYS: i64 = 90;

/// SHA-256 of a certificate's DER bytes.
pub(crate) fn fingerprint_of(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate.as_ref()).into()
}

/// The authority with its key.
pub(super) struct Authority {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the authority, or makes it when there is none.
    pub(super) fn ensure(dir: &Path, names: &Names, now: i64) -> Result<Self, TlsError> {
        let (certificate_path, key_path) = (dir.join(CERTIFICATE), dir.join(KEY));
        match (files::read(&certificate_path)?, files::read_key(&key_path)?) {
            (Some(certificate), Some(key)) => Self::parse(&certificate_path, &certificate, &key, now),
            (None, None) => {
                let (certificate, key) = make(names, now)?;
                // The certificate under another name, the key, then the certificate's name: a start that ends in between
                // is finished by the next one.
                let new = dir.join(NEW_CERTIFICATE);
                files::write(&new, &certificate)?;
                files::write(&key_path, &key)?;
                files::rename(&new, &certificate_path)?;
                tracing::info!(path = %certificate_path.display(), "made the node's certificate authority");
                Self::parse(&certificate_path, &certificate, &key, now)
            }
            (None, Some(key)) if is_unfinished(dir, &key, now) => {
                files::rename(&dir.join(NEW_CERTIFICATE), &certificate_path)?;
                Self::ensure(dir, names, now)
            }
            (Some(_), None) => Err(TlsError::Half { present: certificate_path, missing: key_path }),
            (None, Some(_)) => Err(TlsError::Half { present: key_path, missing: certificate_path }),
        }
    }

    fn parse(path: &Path, certificate: &str, key: &str, now: i64) -> Result<Self, TlsError> {
        let broken = |detail: String| TlsError::Broken { path: path.to_owned(), detail };
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|error| broken(error.to_string()))?;
        let key = KeyPair::from_pem(key).map_err(|error| broken(error.to_string()))?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|error| broken(error.to_string()))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(broken("the key beside it belongs to another certificate".to_owned()));
        }
        let left = parsed.validity().not_after.timestamp() - now;
        if left < WARN_DAYS * DAY {
            tracing::warn!(
                path = %path.display(),
                days = left / DAY,
                "the node's certificate authority ends soon; to replace it, stop bibd, remove the tls folder and start \
                 bibd: each client will then ask its user to accept the new fingerprint"
            );
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| broken(error.to_string()))?;
        Ok(Self { certificate: der, issuer })
    }
}

/// Whether an earlier start made the authority and ended before its certificate got its name.
fn is_unfinished(dir: &Path, key: &str, now: i64) -> bool {
    let path = dir.join(NEW_CERTIFICATE);
    let made = files::read(&path).ok().flatten();
    made.is_some_and(|certificate| Authority::parse(&path, &certificate, key, now).is_ok())
}

/// A new authority: certificate and key as PEM.
fn make(names: &Names, now: i64) -> Result<(String, String), TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("BIB node {} authority", names.short_id()));
    set_validity(&mut params, now - BACKDATED_DAYS * DAY, now + VALID_DAYS * DAY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Sets when a certificate begins and ends, in Unix seconds.
pub(super) fn set_validity(params: &mut CertificateParams, from: i64, to: i64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let after = |unix: i64| Duration::from_secs(u64::try_from(unix).unwrap_or(0));
    params.not_before = epoch + after(from);
    params.not_after = epoch + after(to);
}
