//! What nodes that are not paired can and cannot do.

use crate::support::{Node, drained, eventually, exchange, next, options, run};
use bib_swarm::protocols::{DATA, PAIR, SYNC};
use bib_swarm::{SwarmError, SwarmOptions};
use std::time::Duration;

#[test]
fn an_unpaired_node_gets_pairing_and_nothing_else() {
    run(async {
        let (host, guest) = (Node::start(1).await, Node::start(2).await);
        for protocol in [PAIR, SYNC, DATA] {
            host.echo(protocol).await;
        }
        guest.swarm.dial(&host.address("tcp").await).await.unwrap();
        for protocol in [SYNC, DATA, "/bib/jobs/1.0.0"] {
            let error = guest.swarm.open_stream(&host.id, protocol).await.unwrap_err();
            assert!(matches!(error, SwarmError::Refused { .. }), "{protocol}: {error}");
        }
        exchange(guest.swarm.open_stream(&host.id, PAIR).await.unwrap(), b"may I?").await;

        // once paired, the same connection is good for all
        host.pair(&[&guest]).await;
        for protocol in [SYNC, DATA] {
            exchange(guest.swarm.open_stream(&host.id, protocol).await.unwrap(), b"thanks").await;
        }
        assert_eq!(guest.swarm.stats().await.unwrap().established, 1);
    });
}

#[test]
fn an_unpaired_node_is_dropped_when_it_is_idle() {
    run(async {
        let brief = SwarmOptions { unpaired_idle: Duration::from_millis(200), ..options() };
        let (host, guest) = (Node::with(1, brief).await, Node::start(2).await);
        guest.pair(&[&host]).await;
        guest.swarm.dial(&host.address("tcp").await).await.unwrap();
        eventually("dropped", || async { !host.sees(&guest.id).await && !guest.sees(&host.id).await }).await;
    });
}

#[test]
fn an_unpaired_node_is_dropped_even_if_it_holds_a_stream() {
    run(async {
        let brief = SwarmOptions { unpaired_lifetime: Duration::from_secs(3), ..options() };
        let (host, guest) = (Node::with(1, brief).await, Node::start(2).await);
        let mut streams = host.swarm.accept(PAIR).await.unwrap();
        guest.pair(&[&host]).await;
        guest.swarm.dial(&host.address("tcp").await).await.unwrap();
        let held = guest.swarm.open_stream(&host.id, PAIR).await.unwrap();
        let (from, _never_answered) = next(&mut streams).await;
        assert_eq!(from, guest.id);
        drained(held).await;
        eventually("dropped", || async { !host.sees(&guest.id).await }).await;
        assert_eq!(host.swarm.stats().await.unwrap().expired_strangers, 1);
    });
}

#[test]
fn a_node_that_is_unpaired_is_disconnected() {
    run(async {
        let (host, guest) = crate::support::connected("tcp").await;
        host.echo(DATA).await;
        let stream = guest.swarm.open_stream(&host.id, DATA).await.unwrap();
        host.swarm.set_allowed(Vec::new()).await.unwrap();
        drained(stream).await;
        eventually("disconnected", || async { !host.sees(&guest.id).await }).await;
    });
}

#[test]
fn strangers_cannot_take_the_place_of_friends() {
    run(async {
        let narrow = SwarmOptions { max_unpaired: 3, ..options() };
        let host = Node::with(1, narrow).await;
        let address = host.address("tcp").await;
        let friend = Node::start(2).await;
        host.pair(&[&friend]).await;
        host.echo(DATA).await;
        let mut strangers = Vec::new();
        for seed in 10..16 {
            let stranger = Node::start(seed).await;
            // a denied one may see the connection for a moment
            stranger.swarm.dial(&address).await.ok();
            strangers.push(stranger);
        }
        eventually("three strangers at most", || async { host.swarm.peers().await.unwrap().len() <= 3 }).await;
        friend.pair(&[&host]).await;
        friend.swarm.dial(&address).await.unwrap();
        exchange(friend.swarm.open_stream(&host.id, DATA).await.unwrap(), b"still welcome").await;
    });
}
