//! How many connections each address has, and which of them gives way when there is room for no more. An IPv4 address is the same in both of its forms. The hosts of a laboratory
//! share one network of IPv6, so networks are not counted together.

use std::collections::HashMap;
use std::net::IpAddr;

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
        let address = address.to_canonical();
        let count = self.by_address.get(&address).copied().unwrap_or(0);
        if count >= self.each {
            return false;
        }
        self.by_address.insert(address, count + 1);
        true
    }

    /// Counts one less. Only for an address that has entered.
    pub fn leave(&mut self, address: IpAddr) {
        let address = address.to_canonical();
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

/// Of connections in the order in which they came, by their addresses: the one that gives way to a newcomer. That is the
/// oldest of the address that would have most of them, the newcomer counted; `None` when there are none.
#[must_use]
pub fn least_missed(addresses: &[Option<IpAddr>], newcomer: Option<IpAddr>) -> Option<usize> {
    let mut counts = HashMap::from([(newcomer, 1_usize)]);
    for address in addresses {
        *counts.entry(*address).or_insert(0) += 1;
    }
    (0..addresses.len()).rev().max_by_key(|which| counts.get(&addresses[*which]))
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
    fn neighbours_in_a_network_of_version_six_are_not_one() {
        let mut crowd = Crowd::new(1);
        assert!(crowd.enter(ip("fe80::1")) && crowd.enter(ip("fe80::2")));
        assert!(!crowd.enter(ip("fe80::1")));
    }

    #[test]
    fn who_holds_most_gives_up_the_oldest() {
        let address = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let which = |lasts: &[u8], newcomer| {
            least_missed(&lasts.iter().map(|last| address(*last)).collect::<Vec<_>>(), address(newcomer))
        };
        assert_eq!(which(&[], 1), None);
        assert_eq!(which(&[1, 2, 3], 4), Some(0), "all have the same: the oldest of all");
        assert_eq!(which(&[1, 2, 3], 2), Some(1), "the newcomer's address would have most");
        assert_eq!(which(&[1, 2, 3, 2], 1), Some(0));
        assert_eq!(which(&[1, 2, 3, 2], 3), Some(1));
        assert_eq!(which(&[1, 2, 2, 3, 3, 3], 2), Some(1));
        assert_eq!(which(&[1, 2, 2, 3, 3, 3], 1), Some(3));
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
