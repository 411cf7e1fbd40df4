//! The place of a connection among all, and among those of its address.
//!
//! Whoever connects must not be kept waiting by those who say nothing, or ask without listening. So when all places are
//! taken, the address that has most of those in which nobody has shown a session gives up its oldest.

use bib_domain::crowd::{Crowd, least_missed};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// The places that there are. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug)]
struct Taken {
    /// Those of addresses that are counted.
    crowd: Crowd,
    most: usize,
    next: u64,
    /// All that are there, in the order in which they came.
    guests: Vec<Guest>,
}

#[derive(Debug)]
struct Guest {
    number: u64,
    address: IpAddr,
    /// Somebody with a session uses it.
    settled: bool,
    leave: CancellationToken,
}

/// One of them; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    number: u64,
    address: IpAddr,
    counted: bool,
    leave: CancellationToken,
}

impl Places {
    /// At most `most` of all addresses, at most `each` of one that is counted.
    pub(crate) fn new(most: usize, each: usize) -> Self {
        let taken = Taken { crowd: Crowd::new(each), most: most.max(1), next: 0, guests: Vec::new() };
        Self(Arc::new(Mutex::new(taken)))
    }

    /// Takes a place; none if the address has all of its own, or everybody who is there has a session.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        // this machine's own addresses are not counted: whoever is on it has other ways to be in the way
        let counted = !address.is_loopback();
        self.with(|taken| {
            // who may have no more must not push out others
            if counted && !taken.crowd.enter(address) {
                return None;
            }
            if taken.guests.len() >= taken.most && !taken.make_room(address) {
                if counted {
                    taken.crowd.leave(address);
                }
                return None;
            }
            taken.next += 1;
            let (number, leave) = (taken.next, CancellationToken::new());
            taken.guests.push(Guest { number, address, settled: false, leave: leave.clone() });
            Some(Place { places: self.clone(), number, address, counted, leave })
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Taken) -> T) -> T {
        // nothing panics while it is held
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Taken {
    fn make_room(&mut self, newcomer: IpAddr) -> bool {
        let strangers: Vec<usize> = (0..self.guests.len()).filter(|at| !self.guests[*at].settled).collect();
        let addresses: Vec<_> = strangers.iter().map(|at| Some(self.guests[*at].address)).collect();
        let Some(which) = least_missed(&addresses, Some(newcomer)) else { return false };
        self.guests.remove(strangers[which]).leave.cancel();
        true
    }
}

impl Place {
    /// Cancelled when somebody else needs the place.
    pub(crate) const fn leave(&self) -> &CancellationToken {
        &self.leave
    }

    /// What settles it.
    pub(super) fn settler(&self) -> Settler {
        Settler { places: self.places.clone(), number: self.number }
    }
}

/// Says that somebody with a session uses a place: it is kept from then on.
#[derive(Debug)]
pub(super) struct Settler {
    places: Places,
    number: u64,
}

impl Settler {
    pub(super) fn settle(&self) {
        self.places.with(|taken| {
            if let Some(guest) = taken.guests.iter_mut().find(|guest| guest.number == self.number) {
                guest.settled = true;
            }
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.with(|taken| {
            taken.guests.retain(|guest| guest.number != self.number);
            if self.counted {
                taken.crowd.leave(self.address);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_place_is_given_back_with_its_connection() {
        let places = Places::new(9, 2);
        let (first, _second) = (places.enter(ip(1)).unwrap(), places.enter(ip(1)).unwrap());
        assert!(places.enter(ip(1)).is_none() && places.enter(ip(2)).is_some());
        drop(first);
        assert!(places.enter(ip(1)).is_some());
        assert_eq!(places.with(|taken| taken.guests.len()), 1, "those that were not held are gone");
    }

    #[test]
    fn the_connections_of_others_are_counted() {
        for (peer, counted) in [
            ("127.0.0.1", false),
            ("127.8.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("10.0.0.1", true),
        ]
        .into_iter()
        .chain([("::ffff:10.0.0.1", true), ("fe80::1", true)])
        {
            let places = Places::new(9, 0);
            assert_eq!(places.enter(peer.parse().unwrap()).is_none(), counted, "{peer}");
        }
    }

    #[test]
    fn who_has_most_gives_up_the_oldest_and_who_has_a_session_stays() {
        let places = Places::new(4, 9);
        let held: Vec<Place> = [1, 1, 1, 2].map(|last| places.enter(ip(last)).unwrap()).into_iter().collect();
        held[0].settler().settle();
        let newcomer = places.enter(ip(3)).unwrap();
        let left = |held: &[Place]| held.iter().map(|place| place.leave().is_cancelled()).collect::<Vec<_>>();
        assert_eq!(left(&held), [false, true, false, false]);
        for place in held.iter().skip(2).chain([&newcomer]) {
            place.settler().settle();
        }
        assert!(places.enter(ip(4)).is_none(), "everybody has a session");
        held[1].settler().settle();
        assert!(places.enter(ip(4)).is_none(), "who has left is nobody");
        drop(held);
        assert!(places.enter(ip(4)).is_some());
    }

    #[test]
    fn who_has_all_of_its_own_pushes_nobody_out() {
        let places = Places::new(3, 2);
        let held = [1, 2, 2].map(|last| places.enter(ip(last)).unwrap());
        assert!(places.enter(ip(2)).is_none());
        assert!(held.iter().all(|place| !place.leave().is_cancelled()));
        held.iter().for_each(|place| place.settler().settle());
        assert!((0..3).all(|_| places.enter(ip(3)).is_none()), "there is no room");
        drop(held);
        assert!(places.enter(ip(3)).is_some() && places.enter(ip(3)).is_some(), "its tries were not counted");
    }
}
