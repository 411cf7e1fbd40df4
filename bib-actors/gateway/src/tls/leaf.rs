//! The server certificate: short-lived, renewed before its end and whenever the node's names change.

use super::authority::{Authority, set_validity};
use super::{DAY, Material, files};
use crate::error::TlsError;
use bib_domain::NodeId;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use x509_parser::extensions::{GeneralName, ParsedExtension};

const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key.pem";
/// Not longer: some clients refuse server certificates of more than 398 days.
const VALID_DAYS: i64 = 365;
const BACKDATED_DAYS: i64 = 1;
/// Renewed this long before its end, so that a node that is off for two weeks still starts with a good one.
const RENEW_DAYS: i64 = 30;

/// The names that the server certificate carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    node: NodeId,
    dns: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Names {
    /// The fixed names, the machine's, and those configured: addresses or host names. What is neither is left out.
    pub(crate) fn new(node: NodeId, host: &str, configured: impl IntoIterator<Item = String>) -> Self {
        let mut names = Self {
            node,
            dns: BTreeSet::from(["localhost".to_owned()]),
            addresses: BTreeSet::from([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        };
        for name in std::iter::once(host.to_owned()).chain(configured) {
            match name.parse::<IpAddr>() {
                Ok(address) if address.is_unspecified() => {}
                Ok(address) => drop(names.addresses.insert(address)),
                Err(_) if is_host_name(&name) => drop(names.dns.insert(name.to_ascii_lowercase())),
                Err(_) if name.is_empty() => {}
                Err(_) => tracing::warn!(name, "not a host name or address: it is left out of the server certificate"),
            }
        }
        names
    }

    pub(super) fn short_id(&self) -> &str {
        self.node.short()
    }

    fn uri(&self) -> String {
        format!("bib://{}", self.node)
    }

    fn as_san(&self) -> Result<Vec<SanType>, TlsError> {
        let mut all = Vec::new();
        for name in &self.dns {
            all.push(SanType::DnsName(name.as_str().try_into()?));
        }
        all.extend(self.addresses.iter().copied().map(SanType::IpAddress));
        all.push(SanType::URI(self.uri().try_into()?));
        Ok(all)
    }
}

/// Letters, digits and hyphens between dots, as RFC 1123 has it.
pub(crate) fn is_host_name(name: &str) -> bool {
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Reads the server certificate, or signs a new one when it is missing, ends soon, or has other names or issuer.
pub(super) fn ensure(dir: &Path, authority: &Authority, names: &Names, now: i64) -> Result<Material, TlsError> {
    let (certificate_path, key_path) = (dir.join(CERTIFICATE), dir.join(KEY));
    let present = (files::read(&certificate_path)?, files::read_key(&key_path)?);
    if let (Some(certificate), Some(key)) = &present
        && let Some(material) = reuse(certificate, key, authority, names, now)
    {
        return Ok(material);
    }
    let (certificate, key) = make(authority, names, now)?;
    // The certificate goes last: a new key beside the old certificate does not match and is replaced at the next start.
    files::write(&key_path, &key)?;
    files::write(&certificate_path, &certificate)?;
    tracing::info!(path = %certificate_path.display(), "signed a new server certificate");
    reuse(&certificate, &key, authority, names, now).ok_or_else(|| TlsError::Broken {
        path: certificate_path,
        detail: "a new certificate cannot be read back".to_owned(),
    })
}

/// The certificate as it is, if it is good for some time to come.
fn reuse(certificate: &str, key: &str, authority: &Authority, names: &Names, now: i64) -> Option<Material> {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let pair = KeyPair::from_pem(key).ok()?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).ok()?;
    let (_, issuer) = x509_parser::parse_x509_certificate(&authority.certificate).ok()?;
    let not_after = parsed.validity().not_after.timestamp();
    let fine = parsed.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(&pair)
        && parsed.validity().not_before.timestamp() <= now
        && now < not_after - RENEW_DAYS * DAY
        && parsed.issuer().as_raw() == issuer.subject().as_raw()
        && authority_key(&parsed)? == subject_key(&issuer)?
        && names_of(&parsed)? == expected(names);
    fine.then(|| Material { authority: authority.certificate.clone(), leaf: der.clone(), key: private, not_after })
}

fn make(authority: &Authority, names: &Names, now: i64) -> Result<(String, String), TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("BIB node {}", names.short_id()));
    set_validity(&mut params, now - BACKDATED_DAYS * DAY, now + VALID_DAYS * DAY);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = names.as_san()?;
    let certificate = params.signed_by(&key, &authority.issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

type Parsed<'a> = x509_parser::certificate::X509Certificate<'a>;

fn authority_key<'a>(certificate: &'a Parsed<'_>) -> Option<&'a [u8]> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|key| key.0),
        _ => None,
    })
}

fn subject_key<'a>(certificate: &'a Parsed<'_>) -> Option<&'a [u8]> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}

/// The names that stand in a certificate, each as text.
fn names_of(certificate: &Parsed<'_>) -> Option<BTreeSet<String>> {
    let names = certificate.subject_alternative_name().ok()??;
    names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(|octets| IpAddr::from(octets).to_string()),
                16 => <[u8; 16]>::try_from(*bytes).ok().map(|octets| IpAddr::from(octets).to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn expected(names: &Names) -> BTreeSet<String> {
    let mut all = names.dns.clone();
    all.extend(names.addresses.iter().map(ToString::to_string));
    all.insert(names.uri());
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::authority::fingerprint_of;
    use crate::tls::ensure;
    use std::os::unix::fs::PermissionsExt;

    const NOW: i64 = 1_790_000_000;

    fn names(more: &[&str]) -> Names {
        let node = "12D3KooWQNV9yRv3yvVjYWVPUmA4SvpQN1iDjZDVJnDVzZ1eDFGw".parse().unwrap();
        Names::new(node, "lab-a", more.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn the_certificate_is_kept_until_it_nears_its_end_or_the_names_change() {
        let dir = tempfile::tempdir().unwrap();
        let first = ensure(dir.path(), &names(&["10.0.0.7"]), NOW).unwrap();
        let again = ensure(dir.path(), &names(&["10.0.0.7"]), NOW + 300 * DAY).unwrap();
        assert_eq!(first.leaf, again.leaf);
        let renewed = ensure(dir.path(), &names(&["10.0.0.7"]), NOW + 340 * DAY).unwrap();
        assert_ne!(first.leaf, renewed.leaf);
        let renamed = ensure(dir.path(), &names(&["10.0.0.8"]), NOW + 340 * DAY).unwrap();
        assert_ne!(renewed.leaf, renamed.leaf);
        assert_eq!(fingerprint_of(&first.authority), fingerprint_of(&renamed.authority));
    }

    #[test]
    fn keys_are_private_and_half_a_pair_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        ensure(dir.path(), &names(&[]), NOW).unwrap();
        for key in ["ca.key.pem", "server.key.pem"] {
            let mode = std::fs::metadata(dir.path().join(key)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
        let key = dir.path().join("ca.key.pem");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(ensure(dir.path(), &names(&[]), NOW), Err(TlsError::Exposed { mode: 0o644, .. })));
        std::fs::remove_file(&key).unwrap();
        assert!(matches!(ensure(dir.path(), &names(&[]), NOW), Err(TlsError::Half { .. })));
    }

    #[test]
    fn a_first_start_that_ended_half_way_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let first = ensure(dir.path(), &names(&[]), NOW).unwrap();
        let (new, certificate) = (dir.path().join("ca.new.pem"), dir.path().join("ca.pem"));
        std::fs::rename(&certificate, &new).unwrap();
        let again = ensure(dir.path(), &names(&[]), NOW).unwrap();
        assert_eq!(fingerprint_of(&first.authority), fingerprint_of(&again.authority));
        // a certificate that is not the key's finishes nothing
        let other = tempfile::tempdir().unwrap();
        ensure(other.path(), &names(&[]), NOW).unwrap();
        std::fs::copy(other.path().join("ca.pem"), &new).unwrap();
        std::fs::remove_file(&certificate).unwrap();
        assert!(matches!(ensure(dir.path(), &names(&[]), NOW), Err(TlsError::Half { .. })));
    }

    #[test]
    fn what_is_no_name_is_left_out() {
        let all = expected(&names(&["0.0.0.0", "::", "bad name", "", "-x", "Data.Example.org", "fe80::1"]));
        let fixed = ["localhost", "127.0.0.1", "::1", "lab-a", "data.example.org", "fe80::1"];
        assert!(fixed.iter().all(|name| all.contains(*name)), "{all:?}");
        assert_eq!(all.len(), fixed.len() + 1, "{all:?}");
        assert!(all.iter().any(|name| name.starts_with("bib://12D3")));
    }
}
