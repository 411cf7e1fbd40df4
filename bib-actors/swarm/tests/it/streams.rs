//! Connections over both transports and bytes on streams.

use crate::support::{Node, connected, drained, eventually, exchange, next, options, run};
use bib_kit::Event;
use bib_swarm::protocols::{DATA, SYNC};
use bib_swarm::{SwarmError, SwarmEvent, SwarmOptions, Transport};
use futures::{AsyncReadExt, AsyncWriteExt};
use std::time::Duration;

async fn talk_over(transport: &str, expected: Transport) {
    let (mut first, second) = connected(transport).await;
    first.echo(SYNC).await;
    let stream = second.swarm.open_stream(&first.id, SYNC).await.unwrap();
    exchange(stream, &vec![0x5a; 3 << 20]).await;

    assert_eq!(first.events.recv().await, Event::Item(SwarmEvent::Connected(second.id.clone())));
    eventually("agents and round trips are known", || async {
        let peers = [first.swarm.peers().await.unwrap(), second.swarm.peers().await.unwrap()].concat();
        peers.len() == 2 && peers.iter().all(|peer| peer.rtt_us.is_some() && peer.agent.starts_with("bib/"))
    })
    .await;
    let seen = &second.swarm.peers().await.unwrap()[0];
    assert_eq!(seen.transport, expected);
    assert!(!seen.inbound && seen.paired && seen.connections == 1);
    assert_eq!(seen.address, first.address(transport).await);
    assert!(first.swarm.peers().await.unwrap()[0].inbound);

    assert!(second.swarm.disconnect(&first.id).await.unwrap());
    assert_eq!(first.events.recv().await, Event::Item(SwarmEvent::Disconnected(second.id.clone())));
    assert!(!second.swarm.disconnect(&first.id).await.unwrap(), "nothing is left to close");
}

#[test]
fn two_nodes_talk_over_tcp() {
    run(talk_over("tcp", Transport::Tcp));
}

#[test]
fn two_nodes_talk_over_quic() {
    run(talk_over("quic-v1", Transport::Quic));
}

#[test]
fn sixty_four_streams_at_once() {
    run(async {
        for transport in ["tcp", "quic-v1"] {
            let (first, second) = connected(transport).await;
            first.echo(DATA).await;
            let one = |n: u8| {
                let (swarm, peer) = (second.swarm.clone(), first.id.clone());
                async move { exchange(swarm.open_stream(&peer, DATA).await.unwrap(), &vec![n; 100_000]).await }
            };
            futures::future::join_all((0..64).map(one)).await;
            assert_eq!(first.swarm.stats().await.unwrap().overflowed_streams, 0);
        }
    });
}

#[test]
fn streams_open_at_once_on_a_fresh_connection_and_both_ways() {
    run(async {
        let (first, second) = (Node::start(1).await, Node::start(2).await);
        first.echo(DATA).await;
        second.echo(DATA).await;
        first.pair(&[&second]).await;
        let address = first.address("tcp").await;
        second.swarm.set_allowed(vec![(first.id.clone(), vec![address])]).await.unwrap();
        let there = (0..8).map(|_| second.swarm.open_stream(&first.id, DATA));
        for stream in futures::future::join_all(there).await {
            exchange(stream.unwrap(), b"there").await;
        }
        exchange(first.swarm.open_stream(&second.id, DATA).await.unwrap(), b"and back").await;
    });
}

#[test]
fn a_consumer_that_sleeps_delays_nobody() {
    run(async {
        let narrow = SwarmOptions { inbound_queue: 4, ..options() };
        let (first, second) = (Node::with(1, narrow).await, Node::start(2).await);
        first.pair(&[&second]).await;
        second.pair(&[&first]).await;
        second.swarm.dial(&first.address("tcp").await).await.unwrap();
        let mut sleeping = first.swarm.accept(SYNC).await.unwrap();
        first.echo(DATA).await;

        let mut opened = Vec::new();
        for _ in 0..20 {
            opened.push(second.swarm.open_stream(&first.id, SYNC).await.unwrap());
        }
        eventually("the rest is counted", || async { first.swarm.stats().await.unwrap().overflowed_streams == 16 })
            .await;
        exchange(second.swarm.open_stream(&first.id, DATA).await.unwrap(), b"others go on").await;
        for stream in opened.drain(4..) {
            drained(stream).await;
        }
        for _ in 0..4 {
            let (from, mut stream) = next(&mut sleeping).await;
            assert_eq!(from, second.id);
            stream.write_all(b"late").await.unwrap();
            stream.close().await.unwrap();
        }
        for mut stream in opened {
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "late");
        }
    });
}

#[test]
fn a_protocol_that_nobody_takes_is_refused() {
    run(async {
        let (first, second) = connected("tcp").await;
        let error = second.swarm.open_stream(&first.id, DATA).await.unwrap_err();
        assert!(matches!(error, SwarmError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(DATA) && error.to_string().contains(first.id.as_str()), "{error}");
        let error = second.swarm.open_stream(&first.id, "data").await.unwrap_err();
        assert!(matches!(error, SwarmError::BadProtocol { .. }), "{error}");
        assert!(second.sees(&first.id).await, "a refusal costs nobody the connection");
    });
}

#[test]
fn a_newer_consumer_takes_over() {
    run(async {
        let (first, second) = connected("tcp").await;
        let mut old = first.swarm.accept(SYNC).await.unwrap();
        let mut new = first.swarm.accept(SYNC).await.unwrap();
        assert!(old.recv().await.is_none());
        let _stream = second.swarm.open_stream(&first.id, SYNC).await.unwrap();
        assert_eq!(next(&mut new).await.0, second.id);
    });
}

#[test]
fn paired_peers_stay_connected_without_streams() {
    run(async {
        let brief = SwarmOptions {
            unpaired_idle: Duration::from_millis(50),
            unpaired_lifetime: Duration::from_millis(100),
            ..options()
        };
        let (first, second) = (Node::with(1, brief.clone()).await, Node::with(2, brief).await);
        first.pair(&[&second]).await;
        second.pair(&[&first]).await;
        second.swarm.dial(&first.address("tcp").await).await.unwrap();
        // many times the life of an unpaired connection
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(second.swarm.stats().await.unwrap().established, 1);
        assert!(first.sees(&second.id).await && second.sees(&first.id).await);
    });
}
