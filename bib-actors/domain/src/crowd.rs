//! How many connections each address has. Of IPv6, one network counts as one address: a single host has as many
//! addresses as it likes in it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// The bits of an IPv6 address that name the network of a host.
const NETWORK: u128 = !0 << 64;

/// Counts by address. Holds an entry for each address that is there, so whatever bounds their number bounds it.
#[derive(Debug)]
pub struct Crowd {
    each: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Crowd {
    /// At most `each` of one address.
    #[must_use]
    pub fn new(each: usize) -> Self {
        Self { each, by_address: HashMap::new() }
    }

    /// Counts one more, unless the address has as many as one may have.
    #[must_use]
    pub fn enter(&mut self, address: IpAddr) -> bool {
        let address = group(address);
        let count = self.by_address.get(&address).copied().unwrap_or(0);
        if count >= self.each {
            return false;
        }
        self.by_address.insert(address, count + 1);
        true
    }

    /// Counts one less. Only for an address that has entered.
    pub fn leave(&mut self, address: IpAddr) {
        let address = group(address);
        match self.by_address.get_mut(&address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.by_address.remove(&address)),
        }
    }

    /// How many addresses are there.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.by_address.len()
    }
}

/// What counts as one.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_only_so_many() {
        let mut crowd = Crowd::new(2);
        assert!(crowd.enter(ip("10.0.0.1")) && crowd.enter(ip("10.0.0.1")) && crowd.enter(ip("10.0.0.2")));
        assert!(!crowd.enter(ip("10.0.0.1")) && !crowd.enter(ip("::ffff:10.0.0.1")));
        crowd.leave(ip("::ffff:10.0.0.1"));
        assert!(crowd.enter(ip("10.0.0.1")));
        assert_eq!(crowd.addresses(), 2);
    }

    #[test]
    fn a_network_of_version_six_is_one_address() {
        let mut crowd = Crowd::new(1);
        assert!(crowd.enter(ip("2001:db8:1:2::1")));
        assert!(!crowd.enter(ip("2001:db8:1:2:ffff::9")));
        assert!(crowd.enter(ip("2001:db8:1:3::1")));
    }

    proptest! {
        #[test]
        fn who_leaves_is_forgotten(steps in prop::collection::vec((0_u8..4, any::<bool>()), 0..200)) {
            let (mut crowd, mut there) = (Crowd::new(3), [0_usize; 4]);
            for (host, enters) in steps {
                let (address, count) = (IpAddr::from([10, 0, 0, host]), &mut there[usize::from(host)]);
                if enters {
                    prop_assert_eq!(crowd.enter(address), *count < 3);
                    *count = (*count + 1).min(3);
                } else if *count > 0 {
                    crowd.leave(address);
                    *count -= 1;
                }
                prop_assert_eq!(crowd.addresses(), there.iter().filter(|count| **count > 0).count());
            }
        }
    }
}
