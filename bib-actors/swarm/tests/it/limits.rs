//! Connection limits under many dials, by plain libp2p nodes that follow no rule of ours.

use crate::support::{Node, eventually, exchange, options, plain, run};
use bib_swarm::SwarmOptions;
use bib_swarm::protocols::{DATA, PAIR};
use futures::StreamExt;
use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::DialOpts;
use std::net::SocketAddr;
use std::time::Duration;

/// Dials and stays as long as it is let.
fn flood(dialers: impl Iterator<Item = Keypair>, address: &Multiaddr) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for keypair in dialers {
        let mut swarm = plain(keypair);
        swarm.dial(DialOpts::unknown_peer_id().address(address.clone()).allocate_new_port().build()).unwrap();
        tasks.spawn(async move {
            loop {
                swarm.next().await;
            }
        });
    }
    tasks
}

#[test]
fn two_hundred_strangers_are_held_off() {
    run(async {
        let narrow = SwarmOptions {
            max_connections: 24,
            max_unpaired: 16,
            max_pending_incoming: 32,
            max_pending_per_host: 32,
            ..options()
        };
        let (host, friend) = (Node::with(1, narrow).await, Node::start(2).await);
        host.echo(DATA).await;
        host.pair(&[&friend]).await;
        friend.pair(&[&host]).await;
        let address = host.bare_address("tcp").await.parse().unwrap();
        let strangers = flood((0..200).map(|_| Keypair::generate_ed25519()), &address);
        eventually("all were seen", || async {
            let stats = host.swarm.stats().await.unwrap();
            assert!(stats.connections <= 16, "{stats:?}");
            stats.established + stats.inbound_failures >= 200
        })
        .await;
        let stats = host.swarm.stats().await.unwrap();
        assert!(stats.inbound_failures >= 184, "{stats:?}");
        friend.swarm.dial(&host.address("tcp").await).await.unwrap();
        exchange(friend.swarm.open_stream(&host.id, DATA).await.unwrap(), b"still served").await;
        drop(strangers);
    });
}

#[test]
fn half_open_connections_of_one_host_block_no_other() {
    run(async {
        let narrow = SwarmOptions { max_pending_incoming: 20, max_pending_per_host: 8, ..options() };
        let (host, friend) = (Node::with(1, narrow).await, Node::start(2).await);
        host.echo(DATA).await;
        host.pair(&[&friend]).await;
        friend.pair(&[&host]).await;
        let address = host.bare_address("tcp").await;
        let target: SocketAddr = format!("127.0.0.1:{}", address.rsplit('/').next().unwrap()).parse().unwrap();
        let mut silent = Vec::new();
        for _ in 0..100 {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            silent.push(socket.connect(target).await.unwrap());
        }
        eventually("most are turned away", || async { host.swarm.stats().await.unwrap().inbound_failures >= 92 }).await;
        friend.swarm.dial(&address).await.unwrap();
        exchange(friend.swarm.open_stream(&host.id, DATA).await.unwrap(), b"came through").await;
    });
}

/// A way to `target` that seems to come from another address of this machine.
async fn detour(target: SocketAddr, from: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(from.parse().unwrap()).unwrap();
            let mut far = socket.connect(target).await.unwrap();
            tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut near, &mut far).await) });
        }
    });
    address
}

#[test]
fn a_host_full_of_strangers_leaves_room_for_a_guest() {
    run(async {
        let narrow = SwarmOptions {
            max_unpaired: 3,
            max_unpaired_per_host: 3,
            unpaired_idle: Duration::from_secs(60),
            ..options()
        };
        let (host, guest) = (Node::with(1, narrow).await, Node::start(2).await);
        host.echo(PAIR).await;
        let address = host.bare_address("tcp").await;
        let strangers = flood((0..20).map(|_| Keypair::generate_ed25519()), &address.parse().unwrap());
        eventually("all were seen", || async {
            let stats = host.swarm.stats().await.unwrap();
            assert!(stats.connections <= 3, "{stats:?}");
            stats.connections == 3 && stats.established + stats.inbound_failures >= 20
        })
        .await;
        let target: SocketAddr = format!("127.0.0.1:{}", address.rsplit('/').next().unwrap()).parse().unwrap();
        let way = detour(target, "127.0.0.2:0").await;
        guest.swarm.dial(&format!("/ip4/127.0.0.1/tcp/{}", way.port())).await.unwrap();
        exchange(guest.swarm.open_stream(&host.id, PAIR).await.unwrap(), b"may I?").await;
        eventually("one of them gave way", || async { host.swarm.stats().await.unwrap().connections == 3 }).await;
        assert!(host.sees(&guest.id).await);
        drop(strangers);
    });
}

#[test]
fn one_node_gets_a_few_connections_only() {
    run(async {
        let narrow = SwarmOptions { max_connections_per_peer: 3, ..options() };
        let host = Node::with(1, narrow).await;
        let keypair = Keypair::generate_ed25519();
        let address = host.bare_address("tcp").await.parse().unwrap();
        let many = flood((0..20).map(|_| keypair.clone()), &address);
        eventually("all were seen", || async {
            let stats = host.swarm.stats().await.unwrap();
            assert!(stats.connections <= 3, "{stats:?}");
            stats.established + stats.inbound_failures >= 20
        })
        .await;
        let peers = host.swarm.peers().await.unwrap();
        assert_eq!((peers.len(), peers[0].connections), (1, 3));
        drop(many);
        eventually("they are forgotten", || async { host.swarm.peers().await.unwrap().is_empty() }).await;
    });
}
