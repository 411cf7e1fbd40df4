//! Bytes that are no protocol of ours, on every port.

use crate::support::{Node, connected, eventually, exchange, run};
use bib_swarm::protocols::{DATA, SYNC};
use futures::{AsyncReadExt, AsyncWriteExt};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;

/// The socket address in a multiaddress on the loopback.
async fn socket_of(node: &Node, transport: &str) -> SocketAddr {
    let address = node.bare_address(transport).await;
    let port = address.split('/').nth(4).unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Bytes that look different each time and are the same in every run.
fn noise(seed: usize, len: usize) -> Vec<u8> {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn garbage_on_the_tcp_port_hurts_nobody() {
    run(async {
        let (host, friend) = connected("tcp").await;
        host.echo(DATA).await;
        let target = socket_of(&host, "tcp").await;
        let openings: [&[u8]; 8] = [
            b"",
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x13/multistream/1.0.0\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff",
            b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20",
            // a record that is too long, and one that does not end
            b"\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n\x16\x03\x01\xff\xff",
            b"\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n\x16\x03\x01\x40\x00",
            &[0; 4],
        ];
        let mut held = Vec::new();
        for n in 0..60 {
            let mut socket = tokio::net::TcpStream::connect(target).await.unwrap();
            socket.write_all(openings[n % openings.len()]).await.ok();
            socket.write_all(&noise(n, n * 97)).await.ok();
            if n % 3 == 0 {
                // these neither speak nor leave
                held.push(socket);
            }
        }
        let stream = friend.swarm.open_stream(&host.id, DATA).await.unwrap();
        exchange(stream, &noise(7, 1 << 20)).await;
        eventually("they are counted", || async { host.swarm.stats().await.unwrap().inbound_failures >= 30 }).await;
        assert_eq!(host.swarm.peers().await.unwrap().len(), 1);
        assert_eq!(host.swarm.stats().await.unwrap().established, 1, "the friend kept its connection");
    });
}

#[test]
fn garbage_on_the_quic_port_hurts_nobody() {
    run(async {
        let (host, friend) = connected("quic-v1").await;
        host.echo(DATA).await;
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let target = socket_of(&host, "quic-v1").await;
        for n in 0..500 {
            let mut packet = noise(n, 20 + n * 2);
            // every other one says that it is a first packet of QUIC version 1
            if n % 2 == 0 {
                packet[..5].copy_from_slice(&[0xc0, 0, 0, 0, 1]);
            }
            socket.send_to(&packet, target).await.unwrap();
        }
        let stream = friend.swarm.open_stream(&host.id, DATA).await.unwrap();
        exchange(stream, &noise(7, 1 << 20)).await;
        assert_eq!(host.swarm.stats().await.unwrap().established, 1);
    });
}

#[test]
fn a_stream_that_breaks_off_leaves_the_others_alone() {
    run(async {
        let (host, friend) = connected("tcp").await;
        host.echo(DATA).await;
        let mut streams = host.swarm.accept(SYNC).await.unwrap();
        let mut good = friend.swarm.open_stream(&host.id, DATA).await.unwrap();
        for n in 0..40_usize {
            let mut bad = friend.swarm.open_stream(&host.id, SYNC).await.unwrap();
            bad.write_all(&noise(n, n * 1000)).await.ok();
            drop(bad);
            drop(streams.recv().await);
        }
        good.write_all(b"here").await.unwrap();
        good.close().await.unwrap();
        let mut back = String::new();
        good.read_to_string(&mut back).await.unwrap();
        assert_eq!(back, "here");
    });
}
