//! Where a node's API listens: a Unix socket or a host and port.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of the API where an address names none.
pub const DEFAULT_PORT: u16 = 4000;

/// Where a node's API listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket on this machine; the node checks the user id behind it.
    Unix(PathBuf),
    /// TLS over TCP.
    Tcp {
        /// Host name or IP address, without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a node address: write HOST, HOST:PORT, https://HOST:PORT or unix:///PATH")]
pub struct AddressError {
    /// What was given.
    pub text: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "https://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "https://{host}:{port}"),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let refuse = || AddressError { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix://") {
            return if path.starts_with('/') { Ok(Self::Unix(PathBuf::from(path))) } else { Err(refuse()) };
        }
        if text.contains("://") && !text.starts_with("https://") {
            return Err(refuse());
        }
        let rest = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed.split_once(']').ok_or_else(refuse)?;
                (host, after.strip_prefix(':'))
            }
            None if rest.matches(':').count() > 1 => (rest, None),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            Some(digits) => digits.parse().map_err(|_| refuse())?,
            None => DEFAULT_PORT,
        };
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_' | '%');
        if host.is_empty() || !host.chars().all(fine) {
            return Err(refuse());
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let tcp = |host: &str, port| Address::Tcp { host: host.to_owned(), port };
        let table = [
            ("lab-a", tcp("lab-a", 4000)),
            ("lab-a:4100", tcp("lab-a", 4100)),
            ("https://10.0.0.7:4000/", tcp("10.0.0.7", 4000)),
            ("[::1]:5000", tcp("::1", 5000)),
            ("::1", tcp("::1", 4000)),
            ("unix:///run/bib.sock", Address::Unix("/run/bib.sock".into())),
        ];
        for (text, address) in table {
            assert_eq!(text.parse(), Ok(address.clone()), "{text}");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in ["", "http://lab:4000", "unix://relative", "a b", "host:port", "[::1", "ftp://x"] {
            assert!(text.parse::<Address>().is_err(), "{text:?} was taken for an address");
        }
    }
}
