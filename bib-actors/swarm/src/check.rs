//! Whether the addresses of a configuration can be used, before a node starts with them.

use crate::address::{Target, ip_of};
use crate::error::SwarmError;

/// Checks an address that is to be listened on, without opening it.
///
/// # Errors
/// [`SwarmError`] with what is wrong with it.
pub fn check_listen(address: &str) -> Result<(), SwarmError> {
    match ip_of(&Target::parse(address)?.address) {
        Some(_) => Ok(()),
        None => Err(SwarmError::Listen {
            address: address.to_owned(),
            reason: "only IP addresses can be listened on".to_owned(),
        }),
    }
}

/// Checks an address that others are told.
///
/// # Errors
/// [`SwarmError`] with what is wrong with it.
pub fn check_announce(address: &str) -> Result<(), SwarmError> {
    Target::parse(address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_announced_and_not_listened_on() {
        for good in ["/ip4/0.0.0.0/tcp/4001", "/ip6/::/udp/4001/quic-v1", "0.0.0.0:4001"] {
            check_listen(good).unwrap();
            check_announce(good).unwrap();
        }
        check_announce("lab.example:4001").unwrap();
        for bad in ["lab.example:4001", "/dns/lab.example/tcp/4001", "/ip4/0.0.0.0/tcp", "/ip4/0.0.0.0/tcp/4001/ws", ""]
        {
            assert!(check_listen(bad).is_err(), "{bad:?}");
        }
        assert!(check_announce("/ip4/0.0.0.0/udp/4001").is_err());
    }
}
