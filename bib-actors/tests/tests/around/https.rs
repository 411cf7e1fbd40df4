//! A browser's part without a browser: TLS with one authority that is trusted, a request, a cookie.

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// No answer takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands behind a link of `bib ui`, for a browser that trusts `authority` alone: the page to which it leads, with the
/// cookie that it gives.
pub(crate) fn open(link: &str, authority: &Path) -> io::Result<String> {
    let answer = get(link, authority, None)?;
    assert!(answer.starts_with("HTTP/1.1 303"), "{link}: {answer}");
    let header = |name: &str| {
        let mut lines = answer.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        found.unwrap_or_else(|| panic!("no {name} in {answer}"))
    };
    let cookie = header("set-cookie").split(';').next().unwrap_or_default();
    let (origin, _) = link.split_once("/auth/").unwrap();
    get(&format!("{origin}{}", header("location")), authority, Some(cookie))
}

/// The answer to a request, if the server's certificate is good for the address and signed by `authority`.
pub(crate) fn get(url: &str, authority: &Path, cookie: Option<&str>) -> io::Result<String> {
    let rest = url.strip_prefix("https://").unwrap_or_else(|| panic!("{url} is not served over TLS"));
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, _) = place.rsplit_once(':').unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let socket = TcpStream::connect(place)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(connection, socket);
    let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {place}\r\n{cookie}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // the connection may end without a farewell
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}
