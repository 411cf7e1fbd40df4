//! Dialing by address and by id, and what the errors say.

use crate::support::{Node, eventually, exchange, options, run};
use bib_swarm::protocols::SYNC;
use bib_swarm::{SwarmError, SwarmOptions, Transport};
use std::time::Duration;

#[test]
fn an_address_is_enough_and_says_who_is_there() {
    run(async {
        let (first, second) = (Node::start(1).await, Node::start(2).await);
        for transport in ["tcp", "quic-v1"] {
            let bare = first.bare_address(transport).await;
            assert_eq!(second.swarm.dial(&bare).await.unwrap(), first.id);
        }
        let port = first.bare_address("tcp").await.rsplit('/').next().unwrap().to_owned();
        assert_eq!(second.swarm.dial(&format!("127.0.0.1:{port}")).await.unwrap(), first.id);
        assert_eq!(second.swarm.dial(&format!("localhost:{port}")).await.unwrap(), first.id);
        eventually("one connection is left", || async { second.swarm.stats().await.unwrap().connections == 1 }).await;
    });
}

#[test]
fn another_node_at_the_address_is_named() {
    run(async {
        let (first, second, third) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
        for transport in ["tcp", "quic-v1"] {
            let wrong = format!("{}/p2p/{}", first.bare_address(transport).await, third.id);
            let error = second.swarm.dial(&wrong).await.unwrap_err();
            let SwarmError::WrongPeer { expected, found, address } = &error else { panic!("{error}") };
            assert_eq!((expected, found), (&third.id, &first.id));
            assert_eq!(*address, first.bare_address(transport).await);
            assert!(error.to_string().contains(third.id.as_str()) && error.to_string().contains(first.id.as_str()));
        }
        assert!(!second.sees(&first.id).await && !second.sees(&third.id).await);
    });
}

#[test]
fn a_node_does_not_dial_itself() {
    run(async {
        let node = Node::start(1).await;
        for transport in ["tcp", "quic-v1"] {
            for address in [node.address(transport).await, node.bare_address(transport).await] {
                let error = node.swarm.dial(&address).await.unwrap_err();
                assert!(matches!(error, SwarmError::DialSelf { .. }), "{address}: {error}");
            }
        }
        let error = node.swarm.open_stream(&node.id, SYNC).await.unwrap_err();
        assert!(matches!(error, SwarmError::DialSelf { .. }), "{error}");
        assert!(node.swarm.peers().await.unwrap().is_empty());
    });
}

#[test]
fn what_cannot_be_reached_says_why() {
    run(async {
        let hasty = SwarmOptions { connect_timeout: Duration::from_secs(1), ..options() };
        let node = Node::with(1, hasty).await;
        let closed = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let error = node.swarm.dial(&format!("/ip4/127.0.0.1/tcp/{closed}")).await.unwrap_err();
        assert!(matches!(error, SwarmError::Unreachable { .. }), "{error}");
        assert!(error.to_string().to_lowercase().contains("connection refused"), "{error}");

        let error = node.swarm.dial(&format!("/ip4/127.0.0.1/udp/{closed}/quic-v1")).await.unwrap_err();
        assert!(matches!(error, SwarmError::Unreachable { .. }), "{error}");

        // a port that accepts and says nothing
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let error = node.swarm.dial(&format!("/ip4/127.0.0.1/tcp/{port}")).await.unwrap_err();
        assert!(matches!(error, SwarmError::Unreachable { .. }), "{error}");

        let error = node.swarm.dial("/ip4/127.0.0.1/udp/1").await.unwrap_err();
        assert!(matches!(error, SwarmError::BadAddress { .. }), "{error}");

        let stranger = Node::ready(9, options()).id;
        let error = node.swarm.open_stream(&stranger, SYNC).await.unwrap_err();
        assert!(matches!(error, SwarmError::NoAddress { .. }), "{error}");
        assert_eq!(node.swarm.stats().await.unwrap().waiting, 0);
    });
}

#[test]
fn a_stream_finds_its_way_over_several_addresses() {
    run(async {
        let (first, second, third) = (Node::start(1).await, Node::start(2).await, Node::start(3).await);
        first.echo(SYNC).await;
        first.pair(&[&second]).await;
        let wrong = third.bare_address("tcp").await;
        let right = first.address("quic-v1").await;
        let addresses = vec!["/ip4/127.0.0.1/tcp/1".to_owned(), wrong, "no address".to_owned(), right];
        second.swarm.set_allowed(vec![(first.id.clone(), addresses)]).await.unwrap();
        exchange(second.swarm.open_stream(&first.id, SYNC).await.unwrap(), b"found you").await;
    });
}

#[test]
fn tcp_is_used_where_both_transports_are_offered() {
    run(async {
        let (first, second) = (Node::start(1).await, Node::start(2).await);
        let addresses = vec![first.address("quic-v1").await, first.address("tcp").await];
        second.swarm.set_allowed(vec![(first.id.clone(), addresses)]).await.unwrap();
        eventually("connected", || async { second.sees(&first.id).await }).await;
        assert_eq!(second.swarm.peers().await.unwrap()[0].transport, Transport::Tcp);
    });
}

#[test]
fn a_paired_node_that_nobody_reaches_is_tried_again() {
    run(async {
        let (first, second) = (Node::start(1).await, Node::start(2).await);
        let nowhere = vec!["/ip4/127.0.0.1/tcp/1".to_owned()];
        second.swarm.set_allowed(vec![(first.id.clone(), nowhere)]).await.unwrap();
        eventually("several attempts", || async { second.swarm.stats().await.unwrap().dial_failures >= 3 }).await;
        let error = second.swarm.open_stream(&first.id, SYNC).await.unwrap_err();
        assert!(matches!(error, SwarmError::Unreachable { .. }), "{error}");
        assert!(error.is_transient());
        // the right address ends the waiting
        let address = vec![first.address("tcp").await];
        second.swarm.set_allowed(vec![(first.id.clone(), address)]).await.unwrap();
        eventually("connected", || async { second.sees(&first.id).await }).await;
    });
}

#[test]
fn a_node_disconnected_on_purpose_is_left_alone_until_it_is_wanted() {
    run(async {
        let (first, second) = (Node::start(1).await, Node::start(2).await);
        first.pair(&[&second]).await;
        first.echo(SYNC).await;
        let address = first.address("tcp").await;
        second.swarm.set_allowed(vec![(first.id.clone(), vec![address])]).await.unwrap();
        eventually("connected", || async { second.sees(&first.id).await }).await;
        exchange(second.swarm.open_stream_if_connected(&first.id, SYNC).await.unwrap(), b"there").await;
        assert!(second.swarm.disconnect(&first.id).await.unwrap());
        // also in the moment in which the connection is being closed
        let error = second.swarm.open_stream_if_connected(&first.id, SYNC).await.unwrap_err();
        assert!(matches!(error, SwarmError::NotConnected { .. }), "{error}");
        eventually("gone", || async { !second.sees(&first.id).await }).await;
        // many times the pause between dials
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(!second.sees(&first.id).await);
        exchange(second.swarm.open_stream(&first.id, SYNC).await.unwrap(), b"again").await;
    });
}
