//! Multicast DNS on the local network, on a thread of its own, so that nothing of it outlives its incarnation.
//!
//! libp2p's mDNS starts a task for each interface and does not end them when it is dropped; here they run on a runtime
//! that is shut down with this value. What was heard is bounded: a network that is full of names starts it over.

use libp2p::core::Endpoint;
use libp2p::core::transport::{ListenerId, PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, ListenAddresses, NetworkBehaviour, NewListenAddr, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, mdns};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// The mDNS behaviour with the thread it runs on.
pub(crate) struct Discovery {
    inner: mdns::tokio::Behaviour,
    runtime: Option<Runtime>,
    me: PeerId,
    interval: Duration,
    max_addresses: usize,
    listening: ListenAddresses,
}

impl Discovery {
    /// Starts to look and to answer, and remembers `max_addresses` of others at the same time.
    ///
    /// # Errors
    /// If the system gives no thread or its network interfaces cannot be watched.
    pub(crate) fn new(me: PeerId, interval: Duration, max_addresses: usize) -> io::Result<Self> {
        let (inner, runtime) = launch(me, interval)?;
        Ok(Self { inner, runtime: Some(runtime), me, interval, max_addresses, listening: ListenAddresses::default() })
    }

    /// Forgets everybody and begins anew if more was heard than may be remembered.
    fn forget_if_flooded(&mut self) {
        if self.inner.discovered_nodes().len() <= self.max_addresses {
            return;
        }
        match launch(self.me, self.interval) {
            Ok((mut inner, runtime)) => {
                for addr in self.listening.iter() {
                    let listener_id = ListenerId::next();
                    inner.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr { listener_id, addr }));
                }
                self.inner = inner;
                shut_down(self.runtime.replace(runtime));
                tracing::warn!(
                    limit = self.max_addresses,
                    "discovery heard more addresses than it keeps and begins anew"
                );
            }
            Err(error) => tracing::warn!(%error, "discovery heard too many addresses and cannot begin anew"),
        }
    }
}

fn launch(me: PeerId, query_interval: Duration) -> io::Result<(mdns::tokio::Behaviour, Runtime)> {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("bib-mdns").enable_all().build()?;
    let inner = {
        let _inside = runtime.enter();
        mdns::tokio::Behaviour::new(mdns::Config { query_interval, ..mdns::Config::default() }, me)
    };
    match inner {
        Ok(inner) => Ok((inner, runtime)),
        Err(error) => {
            shut_down(Some(runtime));
            Err(error)
        }
    }
}

fn shut_down(runtime: Option<Runtime>) {
    if let Some(runtime) = runtime {
        // a runtime must not be dropped where futures are polled, since that would block
        runtime.shutdown_background();
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        shut_down(self.runtime.take());
    }
}

impl NetworkBehaviour for Discovery {
    type ConnectionHandler = <mdns::tokio::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = mdns::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.listening.on_swarm_event(&event);
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.forget_if_flooded();
        let _inside = self.runtime.as_ref().map(Runtime::enter);
        self.inner.poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::task::noop_waker;

    #[tokio::test]
    async fn begins_anew_with_its_addresses_and_ends_its_thread() {
        let mut discovery = Discovery::new(PeerId::random(), Duration::from_secs(60), 8).unwrap();
        let addr = "/ip4/10.0.0.1/tcp/1".parse().unwrap();
        let event = NewListenAddr { listener_id: ListenerId::next(), addr: &addr };
        discovery.on_swarm_event(FromSwarm::NewListenAddr(event));
        let first = discovery.runtime.as_ref().unwrap().handle().id();
        let waker = noop_waker();
        let mut cx = Context::from_waker(&waker);
        assert!(discovery.poll(&mut cx).is_pending());
        assert_eq!(discovery.runtime.as_ref().unwrap().handle().id(), first, "nothing was heard");
        assert_eq!(discovery.listening.iter().collect::<Vec<_>>(), [&addr]);
        // dropping it here, among futures, must not panic
        drop(discovery);
    }
}
