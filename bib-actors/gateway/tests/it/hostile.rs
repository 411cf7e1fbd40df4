//! Bytes and behaviour that no client of ours shows.

use crate::support::{Node, Person, Raw, eventually, run, tls_config};
use bib_proto::v1::ListTopicsRequest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinSet;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = length[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

fn config(node: &Node) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(node.dir().join("tls/ca.pem")).unwrap()).unwrap();
    tls_config(roots, &TLS13, b"h2")
}

fn nonsense() -> Vec<Vec<u8>> {
    let start = [PREFACE, SETTINGS].concat();
    let with = |more: Vec<u8>| [start.clone(), more].concat();
    vec![
        b"\0\xff\0\xff garbage that is no preface at all, long enough to be looked at".to_vec(),
        with(frame(0, 0, 0, b"data on stream 0")),
        with(frame(1, 4, 2, b"\x82")),
        with(frame(1, 4, 1, &[0xff; 64])),
        with(frame(9, 4, 1, b"continuation of nothing")),
        with(frame(8, 0, 0, &[0, 0, 0, 0])),
        with(vec![0xff; 100]),
        with(frame(4, 0, 0, &[1, 2, 3])),
    ]
}

async fn still_answers(node: &Node) {
    let client = node.client(Person::Rita).await;
    client.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
}

#[test]
fn malformed_http2_closes_the_connection_and_nothing_else() {
    run(async {
        let node = Node::start().await;
        let bystander = node.client(Person::Rita).await;
        for bytes in nonsense() {
            let mut tls = Raw::connect(node.tcp(), config(&node), "localhost").await.unwrap();
            tls.exchange(&bytes).await.unwrap();
            let mut unix = Raw(UnixStream::connect(&node.listening.socket).await.unwrap());
            unix.exchange(&bytes).await.unwrap();
        }
        bystander.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
        assert!(node.gate.ping(Duration::from_secs(5)).await, "it is the same incarnation");
        still_answers(&node).await;
    });
}

#[test]
fn a_storm_of_resets_closes_the_connection() {
    run(async {
        let node = Node::start().await;
        let mut bytes = [PREFACE, SETTINGS].concat();
        for n in 0..2000_u32 {
            // :method POST, :scheme http, :path / in static table, then a reset
            bytes.extend(frame(1, 4, 2 * n + 1, &[0x83, 0x86, 0x84]));
            bytes.extend(frame(3, 0, 2 * n + 1, &[0, 0, 0, 8]));
        }
        let mut tls = Raw::connect(node.tcp(), config(&node), "localhost").await.unwrap();
        let answer = tls.exchange(&bytes).await.unwrap();
        let goaway = answer.windows(4).any(|window| window[3] == 7);
        assert!(goaway || answer.len() < 100_000, "the storm was served");
        still_answers(&node).await;
    });
}

#[test]
fn one_address_does_not_take_all_places() {
    run(async {
        let node = Node::with(|options| options.connections.per_address = 4).await;
        let mut held = Vec::new();
        for _ in 0..4 {
            let mut one = Raw::connect(node.tcp(), config(&node), "localhost").await.unwrap();
            // with its first bytes the node says that its side of the handshake is done too
            one.0.read_exact(&mut [0; 9]).await.unwrap();
            held.push(one);
        }
        // the place is taken before the handshake, so the handshake of one more fails
        assert!(Raw::connect(node.tcp(), config(&node), "localhost").await.is_err());
        node.local().await.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
        held.pop();
        eventually("a place is free", || async { Raw::connect(node.tcp(), config(&node), "localhost").await.is_ok() })
            .await;
    });
}

#[test]
fn who_says_nothing_is_let_go() {
    run(async {
        let node = Node::with(|options| options.connections.handshake_timeout = Duration::from_secs(3)).await;
        let mut silent = TcpStream::connect(node.tcp()).await.unwrap();
        let mut byte = [0];
        let ended = tokio::time::timeout(Duration::from_secs(20), silent.read(&mut byte)).await.unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)));
        still_answers(&node).await;
    });
}

/// Somebody at this address who connects and says nothing, again as soon as the node has enough of it.
async fn silent(target: SocketAddr, from: Ipv4Addr, connected: Arc<AtomicUsize>) {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        if let Ok(mut stream) = socket.connect(target).await {
            connected.fetch_add(1, Ordering::Relaxed);
            drop(stream.read(&mut [0]).await);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Nobody is let go because of time within the test.
async fn patient_node() -> Node {
    Node::with(|options| {
        options.connections.handshakes = 64;
        options.connections.handshake_timeout = Duration::from_secs(600);
    })
    .await
}

#[test]
fn an_honest_client_is_served_while_two_hundred_say_nothing() {
    run(async {
        let node = patient_node().await;
        let connected = Arc::new(AtomicUsize::new(0));
        let mut flood = JoinSet::new();
        for number in 0..200_u8 {
            flood.spawn(silent(node.tcp(), Ipv4Addr::new(127, 0, 1, 1 + number % 50), Arc::clone(&connected)));
        }
        eventually("all are there", || async { connected.load(Ordering::Relaxed) >= 200 }).await;
        for call in 0..5 {
            let served = tokio::time::timeout(Duration::from_secs(20), still_answers(&node)).await;
            assert!(served.is_ok(), "call {call} was not served");
        }
        assert!(flood.try_join_next().is_none(), "the flood went on to the end");
    });
}

#[test]
fn those_who_say_nothing_make_room_at_their_own_address() {
    run(async {
        let node = patient_node().await;
        let mut silent = Vec::new();
        for _ in 0..200 {
            silent.push(TcpStream::connect(node.tcp()).await.unwrap());
        }
        let served = tokio::time::timeout(Duration::from_secs(20), still_answers(&node)).await;
        assert!(served.is_ok(), "a client at the address of 200 that say nothing was not served");
    });
}
