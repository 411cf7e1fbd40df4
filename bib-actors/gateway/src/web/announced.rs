//! The address under which people are told to find the pages, where it is not the one that is listened on: behind a
//! published port or a port forward, a node by itself knows none that leads to it.

use crate::tls::is_host_name;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// `HOST:PORT`, as it stands in a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    host: String,
    port: u16,
}

impl Announced {
    /// The host as it stands in a certificate: an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl FromStr for Announced {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no HOST:PORT; write lab-a.example.org:4080, 192.168.7.4:4080 or [2001:db8::4]:4080, \
                 without https://"
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| is_number && *port > 0).ok_or_else(wrong)?;
        let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(inside) => inside.parse::<Ipv6Addr>().map_err(|_| wrong())?.to_string(),
            None if is_host_name(host) => host.to_ascii_lowercase(),
            None => return Err(wrong()),
        };
        if host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            return Err(format!("{text:?} leads nowhere: name the address or the name that browsers use"));
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_stand_in_a_link_is_taken() {
        for (text, shown, host) in [
            ("127.0.0.1:4080", "127.0.0.1:4080", "127.0.0.1"),
            ("Lab-A.Example.org:443", "lab-a.example.org:443", "lab-a.example.org"),
            ("[2001:DB8:0::4]:4080", "[2001:db8::4]:4080", "2001:db8::4"),
        ] {
            let announced: Announced = text.parse().unwrap();
            assert_eq!((announced.to_string().as_str(), announced.host()), (shown, host));
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for text in [
            "",
            "lab-a",
            ":4080",
            "lab-a:",
            "lab-a:0",
            "lab-a:+80",
            "lab-a:65536",
            "https://lab-a:4080",
            "lab-a:4080/",
            "me@lab-a:4080",
            "0.0.0.0:4080",
            "[::]:4080",
            "[lab-a]:4080",
            "2001:db8::4:4080",
        ] {
            assert!(text.parse::<Announced>().is_err(), "{text:?}");
        }
    }
}
