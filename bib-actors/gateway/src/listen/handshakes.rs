//! The handshakes under way: who holds a place among them, and who gives it up when somebody else comes.
//!
//! Whoever connects and says nothing must not keep others out until a deadline passes. So a newcomer is never kept
//! waiting: when all places are taken, the address that holds most of them gives up its oldest.

use bib_domain::crowd::least_missed;
use std::future::Future;
use std::net::IpAddr;
use tokio::task::{AbortHandle, Id, JoinSet};

/// One handshake.
struct Held {
    task: AbortHandle,
    address: Option<IpAddr>,
}

/// All of them, each a task; dropping them ends the tasks.
pub(super) struct Handshakes {
    most: usize,
    tasks: JoinSet<()>,
    /// In the order in which they came.
    held: Vec<Held>,
}

impl Handshakes {
    /// At most so many at the same time.
    pub(super) fn new(most: usize) -> Self {
        Self { most, tasks: JoinSet::new(), held: Vec::new() }
    }

    /// Waits for one to end, for ever while there is none. Cancel-safe.
    pub(super) async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => self.forget(id),
            Some(Err(error)) => self.forget(error.id()),
            None => std::future::pending().await,
        }
    }

    fn forget(&mut self, id: Id) {
        self.held.retain(|held| held.task.id() != id);
    }

    /// Starts one more, for which somebody else gives up a place if all are taken.
    pub(super) async fn start(&mut self, address: Option<IpAddr>, work: impl Future<Output = ()> + Send + 'static) {
        while self.held.len() >= self.most && self.give_up_any(address).await {}
        let task = self.tasks.spawn(work);
        self.held.push(Held { task, address });
    }

    /// The address that would hold most places with the newcomer's gives up its oldest handshake; false when there is
    /// none.
    pub(super) async fn give_up_any(&mut self, newcomer: Option<IpAddr>) -> bool {
        let addresses: Vec<_> = self.held.iter().map(|held| held.address).collect();
        self.end(least_missed(&addresses, newcomer)).await
    }

    /// This address gives up its oldest handshake; false when it has none.
    pub(super) async fn give_up_of(&mut self, address: Option<IpAddr>) -> bool {
        self.end(self.held.iter().position(|held| held.address == address)).await
    }

    async fn end(&mut self, which: Option<usize>) -> bool {
        let Some(held) = which.and_then(|which| self.held.get(which)) else { return false };
        let id = held.task.id();
        held.task.abort();
        // its place in the quota is free only when it is gone
        while self.held.iter().any(|held| held.task.id() == id) {
            self.ended().await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[tokio::test]
    async fn a_newcomer_does_not_wait_for_those_who_say_nothing() {
        let mut handshakes = Handshakes::new(3);
        for last in [1, 2, 2, 3, 2, 2] {
            handshakes.start(address(last), std::future::pending()).await;
        }
        let held: Vec<_> = handshakes.held.iter().map(|held| held.address).collect();
        assert_eq!(held, [1, 3, 2].map(address), "one address cannot push out another");
    }
}
