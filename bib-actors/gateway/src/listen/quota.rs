//! How many connections there may be, in all and from one address.

use bib_domain::crowd::Crowd;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts connections. The total bounds how many addresses there are.
#[derive(Debug)]
pub(crate) struct Quota {
    total: Arc<Semaphore>,
    crowd: Mutex<Crowd>,
}

/// One counted connection; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    quota: Arc<Quota>,
    address: Option<IpAddr>,
    _total: OwnedSemaphorePermit,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    InAll,
    /// This address has as many as one may have.
    FromAddress,
}

impl Quota {
    /// At most `total` connections, at most `each` of them from one address.
    pub(crate) fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { total: Arc::new(Semaphore::new(total)), crowd: Mutex::new(Crowd::new(each)) })
    }

    /// Takes a place.
    ///
    /// # Errors
    /// When there is none for this address.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Full> {
        let total = Arc::clone(&self.total).try_acquire_owned().map_err(|_| Full::InAll)?;
        if address.is_some_and(|address| !self.crowd.lock().enter(address)) {
            return Err(Full::FromAddress);
        }
        Ok(Place { quota: Arc::clone(self), address, _total: total })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(address) = self.address {
            self.quota.crowd.lock().leave(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let quota = Quota::new(3, 2);
        let (a, b) = (Some("10.0.0.1".parse().unwrap()), Some("10.0.0.2".parse().unwrap()));
        let first = quota.enter(a).unwrap();
        let _second = quota.enter(a).unwrap();
        assert_eq!(quota.enter(a).unwrap_err(), Full::FromAddress, "a third from one address");
        let _third = quota.enter(b).unwrap();
        assert_eq!(quota.enter(b).unwrap_err(), Full::InAll, "a fourth in all");
        drop(first);
        assert!(quota.enter(a).is_ok());
        assert_eq!(quota.crowd.lock().addresses(), 2);
    }
}
