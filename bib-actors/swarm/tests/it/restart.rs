//! Restarts of this node and of the other one: same id, same ports, streams again.

use crate::support::{Node, connected, drained, eventually, exchange, options, run};
use bib_kit::{Exit, Where};
use bib_swarm::protocols::{DATA, SYNC};
use bib_swarm::{SwarmError, SwarmOptions};

/// Breaks the first of two connected nodes in some way, starts it again and sees that all works as before.
async fn survives(transport: &str, breaking: impl AsyncFnOnce(&mut Node) -> Exit) -> Exit {
    let (mut first, second) = connected(transport).await;
    let addresses = first.swarm.listen_addrs().await.unwrap();
    let known = vec![(first.id.clone(), addresses.clone())];
    second.swarm.set_allowed(known).await.unwrap();
    let mut accepted = first.swarm.accept(DATA).await.unwrap();
    let held = second.swarm.open_stream(&first.id, DATA).await.unwrap();

    let exit = breaking(&mut first).await;
    // the held stream may still be in the queue; then comes the end
    while accepted.recv().await.is_some() {}
    drained(held).await;
    assert!(first.swarm.peers().await.is_err(), "nobody answers between two incarnations");

    first.guard.start().await.unwrap();
    assert_eq!(first.swarm.listen_addrs().await.unwrap(), addresses, "same ports, same id");
    first.pair(&[&second]).await;
    first.echo(DATA).await;
    eventually("connected again", || async { second.sees(&first.id).await && first.sees(&second.id).await }).await;
    eventually("streams again", || async { second.swarm.open_stream(&first.id, DATA).await.is_ok() }).await;
    exchange(second.swarm.open_stream(&first.id, DATA).await.unwrap(), b"as before").await;
    exit
}

#[test]
fn after_an_orderly_stop() {
    run(async {
        for transport in ["tcp", "quic-v1"] {
            let exit = survives(transport, async |node| node.guard.stop().await.exit).await;
            assert_eq!(exit, Exit::Stopped);
        }
    });
}

#[test]
fn after_a_panic_in_the_event_loop() {
    run(async {
        for transport in ["tcp", "quic-v1"] {
            let exit = survives(transport, async |node| {
                node.swarm.panic_in_event_loop().await.unwrap();
                let report = node.guard.exited().await;
                assert!(!report.stale_work);
                report.exit
            })
            .await;
            let Exit::Panicked(text) = &exit else { panic!("{exit}") };
            assert!(text.contains("panic on request"), "{text}");
        }
    });
}

#[test]
fn after_being_aborted() {
    run(async {
        let exit = survives("tcp", async |node| node.guard.abort().await.exit).await;
        assert_eq!(exit, Exit::Aborted);
    });
}

#[test]
fn panics_in_every_place_end_one_incarnation_each() {
    run(async {
        let mut node = Node::start(1).await;
        let addresses = node.swarm.listen_addrs().await.unwrap();
        for place in [Where::Handler, Where::Spawned, Where::Task] {
            node.swarm.inject_panic(place).unwrap();
            assert!(matches!(node.guard.exited().await.exit, Exit::Panicked(_)), "{place:?}");
            node.guard.start().await.unwrap();
            assert_eq!(node.swarm.listen_addrs().await.unwrap(), addresses, "{place:?}");
        }
        for place in [Where::Factory, Where::Started] {
            node.swarm.inject_panic(place).unwrap();
            node.guard.stop().await;
            assert!(matches!(node.guard.start().await.unwrap_err().exit, Exit::Panicked(_)), "{place:?}");
            node.guard.start().await.unwrap();
            assert_eq!(node.swarm.listen_addrs().await.unwrap(), addresses, "{place:?}");
        }
    });
}

#[test]
fn calls_under_way_get_an_answer() {
    run(async {
        let (mut first, second) = connected("tcp").await;
        first.echo(SYNC).await;
        eventually("both see it", || async { first.sees(&second.id).await }).await;
        let calls: Vec<_> = (0..50)
            .map(|_| {
                let (swarm, peer) = (first.swarm.clone(), second.id.clone());
                tokio::spawn(async move { swarm.open_stream(&peer, SYNC).await.map(drop) })
            })
            .collect();
        first.swarm.panic_in_event_loop().await.unwrap();
        first.guard.exited().await;
        for call in calls {
            // refused by the other side before the panic, or told of the restart; never left hanging
            let error = call.await.unwrap().unwrap_err();
            assert!(matches!(error, SwarmError::Refused { .. }) || error.is_transient(), "{error}");
        }
    });
}

#[test]
fn a_port_of_another_program_is_not_shared() {
    run(async {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = vec![format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port())];
        let hasty = SwarmOptions { listen, bind_patience: std::time::Duration::from_millis(100), ..options() };
        let mut node = Node::ready(1, hasty.clone());
        let Exit::Refused(text) = node.guard.start().await.unwrap_err().exit else { panic!("it started") };
        assert!(
            text.contains("cannot listen on /ip4/127.0.0.1/tcp/") && text.contains("another program uses"),
            "{text}"
        );
        drop(taken);
        node.guard.start().await.unwrap();

        // nor are the ports of another node, although libp2p would share them
        let mut twin = Node::ready(2, hasty);
        assert!(matches!(twin.guard.start().await.unwrap_err().exit, Exit::Refused(_)));
        let quic = node.swarm.listen_addrs().await.unwrap();
        assert_eq!(quic.len(), 1);
    });
}

#[test]
fn bad_options_are_named() {
    run(async {
        for (listen, announce) in [("/ip4/127.0.0.1/udp/0", "h:1"), ("/ip4/127.0.0.1/tcp/0", "no address")] {
            let bad =
                SwarmOptions { listen: vec![listen.to_owned()], announce: vec![announce.to_owned()], ..options() };
            let exit = Node::ready(1, bad).guard.start().await.unwrap_err().exit;
            assert!(exit.to_string().contains("is not an address of a node"), "{exit}");
        }
    });
}

#[test]
fn announced_addresses_are_told_and_no_others() {
    run(async {
        let announce = ["lab.example:4001", "/ip4/192.0.2.7/tcp/4101", "lab.example:4001"].map(str::to_owned).to_vec();
        let node = Node::with(1, SwarmOptions { announce, ..options() }).await;
        let told = |address: &str| format!("{address}/p2p/{}", node.id);
        let addresses = node.swarm.listen_addrs().await.unwrap();
        assert_eq!(addresses, [told("/dns/lab.example/tcp/4001"), told("/ip4/192.0.2.7/tcp/4101")]);
    });
}
