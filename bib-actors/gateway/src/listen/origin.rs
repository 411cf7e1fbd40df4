//! Where a connection comes from.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// Where a connection comes from: the only thing known of a caller before it proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Over TLS, from this address.
    Remote(SocketAddr),
    /// Over the Unix socket, from a process of this user, as the kernel says.
    Local {
        /// User id of the process at the other end.
        uid: u32,
    },
    /// From the pages, within the process: the connection itself is nobody's.
    Pages,
    /// From the pages, for a browser at this address.
    Browser(IpAddr),
}

impl Origin {
    /// What attempts are counted by: the address, or `None` for the Unix socket.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Remote(address) => Some(canonical(address.ip())),
            Self::Browser(address) => Some(canonical(*address)),
            Self::Local { .. } | Self::Pages => None,
        }
    }
}

/// IPv4 addresses as themselves, also when they come in mapped; IPv6 by its /64, since one machine has a whole one.
fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        other => other,
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(address) => write!(f, "{}", address.ip().to_canonical()),
            Self::Local { uid } => write!(f, "unix socket, uid {uid}"),
            Self::Pages => f.write_str("pages"),
            Self::Browser(address) => write!(f, "pages, {}", address.to_canonical()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_is_one_address() {
        let address = |text: &str| Origin::Remote(text.parse().unwrap()).address().unwrap().to_string();
        assert_eq!(address("[::ffff:10.1.2.3]:9"), "10.1.2.3");
        assert_eq!(address("10.1.2.3:9"), "10.1.2.3");
        assert_eq!(address("[2001:db8:1:2:3:4:5:6]:9"), "2001:db8:1:2::");
        assert_eq!(address("[::1]:9"), "::1");
    }
}
