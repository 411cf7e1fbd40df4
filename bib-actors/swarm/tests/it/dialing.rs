//! Dialing by address and by id, and what the errors say.

use crate::support::{Node, eventually, exchange, options, plain, run};
use bib_swarm::protocols::SYNC;
use bib_swarm::{SwarmError, SwarmOptions, Transport};
use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
fn a_node_that_knows_only_noise_is_reached() {
    run(async {
        let mut other = plain(Keypair::generate_ed25519());
        other.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = other.select_next_some().await {
                break address;
            }
        };
        let id = other.local_peer_id().to_string();
        tokio::spawn(async move {
            loop {
                other.next().await;
            }
        });
        let node = Node::start(1).await;
        assert_eq!(node.swarm.dial(&address.to_string()).await.unwrap().as_str(), id);
    });
}

/// What is said in both directions on the way to `port`, as far as it fits.
async fn overheard(port: &str) -> (u16, tokio::task::JoinHandle<(Vec<u8>, Vec<u8>)>) {
    const ROOM: usize = 4096;
    let target = format!("127.0.0.1:{port}");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listens = tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = tokio::net::TcpStream::connect(target).await.unwrap();
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        let pass = |mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf| async move {
            let (mut heard, mut buffer) = (Vec::new(), vec![0; ROOM]);
            loop {
                let read = from.read(&mut buffer).await.unwrap_or(0);
                if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
                    return heard;
                }
                heard.extend_from_slice(&buffer[..read.min(ROOM - heard.len())]);
            }
        };
        futures::join!(pass(near_in, far_out), pass(far_in, near_out))
    });
    (port, listens)
}

#[test]
fn two_nodes_agree_on_tls_and_nothing_is_readable() {
    run(async {
        let (mut first, mut second) = (Node::start(1).await, Node::start(2).await);
        first.echo(SYNC).await;
        first.pair(&[&second]).await;
        second.pair(&[&first]).await;
        let port = first.bare_address("tcp").await.rsplit('/').next().unwrap().to_owned();
        let (way, listens) = overheard(&port).await;
        assert_eq!(second.swarm.dial(&format!("127.0.0.1:{way}")).await.unwrap(), first.id);
        exchange(second.swarm.open_stream(&first.id, SYNC).await.unwrap(), b"nobody else's business").await;
        second.guard.stop().await;
        first.guard.stop().await;
        let (asked, answered) = listens.await.unwrap();
        let has = |heard: &[u8], what: &[u8]| heard.windows(what.len()).any(|window| window == what);
        for heard in [&asked, &answered] {
            assert!(has(heard, b"\x0b/tls/1.0.0\n"), "{}", String::from_utf8_lossy(heard));
            assert!(!has(heard, b"/noise") && !has(heard, b"/yamux") && !has(heard, b"business"));
        }
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
