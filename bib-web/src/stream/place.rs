//! The place of a connection among those of its address.

use bib_domain::crowd::Crowd;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The places that there are for each address. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<Mutex<Crowd>>);

/// One of them; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    /// At most `each` for one address.
    pub(crate) fn new(each: usize) -> Self {
        Self(Arc::new(Mutex::new(Crowd::new(each))))
    }

    /// Takes a place; none if the address has all of its own.
    pub(crate) fn enter(&self, address: IpAddr) -> Option<Place> {
        let entered = self.with(|crowd| crowd.enter(address));
        entered.then(|| Place { places: self.clone(), address })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Crowd) -> T) -> T {
        // nothing panics while it is held
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.with(|crowd| crowd.leave(self.address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_with_its_connection() {
        let places = Places::new(2);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let (first, _second) = (places.enter(one).unwrap(), places.enter(one).unwrap());
        assert!(places.enter(one).is_none() && places.enter(other).is_some());
        drop(first);
        assert!(places.enter(one).is_some());
    }
}
