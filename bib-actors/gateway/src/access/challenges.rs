//! Nonces that were given out and not used yet. Each is good once, for a short time, for one key.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Length of a nonce in bytes.
pub(crate) const NONCE_BYTES: usize = 32;

/// A random nonce.
pub(crate) type Nonce = [u8; NONCE_BYTES];

/// Why no nonce is given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// This address has enough that it did not use.
    Address,
    /// There are too many in all.
    Table,
}

/// Why a nonce is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It was never given out, was used before, or is long gone.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was given out for another key.
    OtherKey,
}

struct Issued {
    key: String,
    address: Option<IpAddr>,
    expires: Instant,
}

struct Table {
    issued: HashMap<Nonce, Issued>,
    /// In the order in which they expire.
    order: VecDeque<Nonce>,
    by_address: HashMap<IpAddr, usize>,
}

/// The nonces of this incarnation; a restart forgets them, and clients ask again.
pub(crate) struct Challenges {
    capacity: usize,
    each: usize,
    ttl: Duration,
    table: Mutex<Table>,
}

impl Challenges {
    /// At most `capacity` nonces, `each` of one address, good for `ttl`.
    pub(crate) fn new(capacity: usize, each: usize, ttl: Duration) -> Self {
        let table = Table { issued: HashMap::new(), order: VecDeque::new(), by_address: HashMap::new() };
        Self { capacity, each, ttl, table: Mutex::new(table) }
    }

    /// Remembers `nonce`, which must be random, for the key with this fingerprint.
    pub(crate) fn issue(&self, now: Instant, nonce: Nonce, key: &str, address: Option<IpAddr>) -> Result<(), Full> {
        let mut table = self.table.lock();
        table.expire(now);
        if table.issued.len() >= self.capacity {
            return Err(Full::Table);
        }
        if let Some(address) = address {
            let count = table.by_address.entry(address).or_insert(0);
            if *count >= self.each {
                return Err(Full::Address);
            }
            *count += 1;
        }
        let issued = Issued { key: key.to_owned(), address, expires: now + self.ttl };
        table.issued.insert(nonce, issued);
        table.order.push_back(nonce);
        Ok(())
    }

    /// Uses a nonce up. Whatever the answer, it is not good again.
    pub(crate) fn redeem(&self, now: Instant, nonce: &[u8], key: &str) -> Result<(), Refused> {
        let nonce = Nonce::try_from(nonce).map_err(|_| Refused::Unknown)?;
        let mut table = self.table.lock();
        let Some(issued) = table.remove(&nonce) else { return Err(Refused::Unknown) };
        table.order.retain(|other| *other != nonce);
        if issued.expires <= now {
            return Err(Refused::Expired);
        }
        if issued.key == key { Ok(()) } else { Err(Refused::OtherKey) }
    }
}

impl Table {
    fn remove(&mut self, nonce: &Nonce) -> Option<Issued> {
        let issued = self.issued.remove(nonce)?;
        if let Some(address) = issued.address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(issued)
    }

    fn expire(&mut self, now: Instant) {
        while let Some(nonce) = self.order.front().copied() {
            if self.issued.get(&nonce).is_some_and(|issued| issued.expires > now) {
                return;
            }
            self.order.pop_front();
            self.remove(&nonce);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_kit::clock;

    fn nonce(n: u8) -> Nonce {
        [n; NONCE_BYTES]
    }

    #[test]
    fn a_nonce_is_good_once_in_time_and_for_its_key() {
        let now = clock::monotonic();
        let challenges = Challenges::new(10, 10, Duration::from_secs(60));
        for n in 1..=3 {
            challenges.issue(now, nonce(n), "key", None).unwrap();
        }
        assert_eq!(challenges.redeem(now, &nonce(1), "key"), Ok(()));
        assert_eq!(challenges.redeem(now, &nonce(1), "key"), Err(Refused::Unknown), "replayed");
        assert_eq!(challenges.redeem(now, &nonce(2), "other"), Err(Refused::OtherKey));
        assert_eq!(challenges.redeem(now, &nonce(2), "key"), Err(Refused::Unknown), "used up by the wrong key");
        assert_eq!(challenges.redeem(now + Duration::from_secs(61), &nonce(3), "key"), Err(Refused::Expired));
        assert_eq!(challenges.redeem(now, &[1, 2, 3], "key"), Err(Refused::Unknown));
    }

    #[test]
    fn the_table_is_bounded_and_empties_itself() {
        let now = clock::monotonic();
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let challenges = Challenges::new(3, 2, Duration::from_secs(60));
        challenges.issue(now, nonce(1), "k", Some(a)).unwrap();
        challenges.issue(now, nonce(2), "k", Some(a)).unwrap();
        assert_eq!(challenges.issue(now, nonce(3), "k", Some(a)), Err(Full::Address));
        challenges.issue(now, nonce(4), "k", Some(b)).unwrap();
        assert_eq!(challenges.issue(now, nonce(5), "k", None), Err(Full::Table));
        let later = now + Duration::from_secs(61);
        challenges.issue(later, nonce(6), "k", Some(a)).unwrap();
        let table = challenges.table.lock();
        assert_eq!((table.issued.len(), table.order.len(), table.by_address.len()), (1, 1, 1));
    }
}
