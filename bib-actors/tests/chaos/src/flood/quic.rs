//! Abuse of the node network over QUIC: datagrams that are nothing, handshakes that are never ended, and what an attacker
//! sends after a good one.

use super::Counts;
use super::raw::address;
use crate::dice::Dice;
use futures::AsyncWriteExt;
use futures::future::poll_fn;
use libp2p::core::muxing::StreamMuxerExt;
use libp2p::core::transport::{DialOpts, ListenerId, PortUse};
use libp2p::core::{Endpoint, Transport};
use libp2p::multiaddr::Protocol;
use libp2p::quic::tokio::Transport as Quic;
use libp2p::quic::{Config, Connection};
use libp2p::{Multiaddr, identity};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Datagrams of no kind in one attack.
const JUNK: usize = 300;
/// Handshakes that one attack begins.
const HALVES: usize = 20;
/// Streams that one attack opens; more than the node allows on a connection.
const STREAMS: usize = 300;
/// The size of a datagram that begins a handshake, and of the first one that answers it: both are filled up.
const FIRST: usize = 1200;
const BUFFER: usize = 2048;
/// How long an answer may take before it is asked for again: datagrams are lost in a flood.
const ANSWER: Duration = Duration::from_millis(500);
/// Datagrams that are sent together come within this of each other.
const TOGETHER: Duration = Duration::from_millis(40);
const WHOLE: Duration = Duration::from_secs(8);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuicAbuse {
    /// Datagrams of no kind, some with the head of a good one.
    Junk,
    /// First packets of handshakes, after which nothing comes.
    Half,
    /// A good handshake, after which nothing comes.
    Silent,
    /// More streams than anybody needs, each with a protocol's name whose length is no number.
    Streams,
}

impl QuicAbuse {
    pub(crate) const ALL: [Self; 4] = [Self::Junk, Self::Half, Self::Silent, Self::Streams];

    /// What its handshakes are counted under.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Junk => "QUIC junk",
            Self::Half => "QUIC half",
            Self::Silent => "QUIC silent",
            Self::Streams => "QUIC streams",
        }
    }

    /// One attack of this kind.
    pub(crate) async fn run(self, target: SocketAddr, mut dice: Dice, counts: Arc<Counts>) {
        let landed = || {
            counts.connected.fetch_add(1, Ordering::Relaxed);
            counts.shake_hands(self.name());
        };
        let attack = async {
            match self {
                Self::Junk => junk(target, &mut dice, landed).await,
                Self::Half => half(target, &mut dice, landed).await,
                Self::Silent => silent(target, &mut dice, landed).await,
                Self::Streams => streams(target, &mut dice, landed).await,
            }
        };
        // whatever the node does with it, the attacker goes on with the next one
        let _ = timeout(WHOLE, attack).await;
    }
}

async fn socket_to(target: SocketAddr, dice: &mut Dice) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address(dice)).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// Ends when the node said which versions it speaks: so it reads what comes here.
async fn junk(target: SocketAddr, dice: &mut Dice, landed: impl Fn()) -> io::Result<()> {
    let socket = socket_to(target, dice).await?;
    for _ in 0..JUNK {
        let length = usize::try_from(dice.below(1400)).unwrap_or(0);
        let mut bytes = dice.bytes(length);
        if dice.one_in(2) {
            // a first packet of the version in use, with a name of eight bytes and nothing that can be decrypted
            bytes.iter_mut().zip([0xc3, 0, 0, 0, 1, 8]).for_each(|(to, from)| *to = from);
        }
        socket.send(&bytes).await?;
    }
    let mut answer = vec![0; BUFFER];
    loop {
        let mut question = dice.bytes(FIRST);
        question[..6].copy_from_slice(&[0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8]);
        // the name of the one who asks
        question[14] = 8;
        socket.send(&question).await?;
        if let Ok(read) = timeout(ANSWER, socket.recv(&mut answer)).await
            && read? > 5
            && answer[0] & 0x80 != 0
            && answer[1..5] == [0; 4]
        {
            landed();
            return Ok(());
        }
    }
}

/// Begins handshakes as a dialer does, and never says another word.
async fn half(target: SocketAddr, dice: &mut Dice, landed: impl Fn()) -> io::Result<()> {
    let (socket, mut quic) = (socket_to(target, dice).await?, quic());
    for _ in 0..HALVES {
        for packet in first_packets(&mut quic).await? {
            socket.send(&packet).await?;
        }
    }
    let (mut answer, mut answered) = (vec![0; BUFFER], false);
    loop {
        // the node's part of a handshake fills a datagram, a refusal does not
        let read = socket.recv(&mut answer).await?;
        if read >= FIRST && !answered {
            answered = true;
            landed();
        }
    }
}

/// The first words of a handshake: two datagrams, since one has no room for the key that holds against quantum computers.
/// They are made for one who is not there, so that nothing follows them.
async fn first_packets(quic: &mut Quic) -> io::Result<Vec<Vec<u8>>> {
    let nobody = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let dialing = dial(quic, nobody.local_addr()?)?;
    let packets = async {
        let (mut packets, mut bytes) = (Vec::new(), vec![0; BUFFER]);
        loop {
            // who gets no answer says the same again, but later
            let within = if packets.is_empty() { WHOLE } else { TOGETHER };
            match timeout(within, nobody.recv(&mut bytes)).await {
                Ok(read) => packets.push(bytes[..read?].to_vec()),
                Err(_) => return Ok(packets),
            }
        }
    };
    tokio::select! {
        _ = dialing => Err(io::Error::other("nobody was reached")),
        packets = packets => packets,
    }
}

async fn silent(target: SocketAddr, dice: &mut Dice, landed: impl Fn()) -> io::Result<()> {
    let (_quic, mut connection) = connect(target, dice).await?;
    landed();
    until_closed(&mut connection).await
}

async fn streams(target: SocketAddr, dice: &mut Dice, landed: impl Fn()) -> io::Result<()> {
    let (_quic, mut connection) = connect(target, dice).await?;
    landed();
    let mut open = Vec::new();
    for _ in 0..STREAMS {
        let opened = timeout(ANSWER, poll_fn(|cx| connection.poll_outbound_unpin(cx))).await;
        // as many as the node allows
        let Ok(stream) = opened else { break };
        let mut stream = stream.map_err(io::Error::other)?;
        stream.write_all(&[0xff; 12]).await?;
        stream.flush().await?;
        open.push(stream);
    }
    until_closed(&mut connection).await
}

/// Until the node has enough of it. What it opens itself is not answered.
async fn until_closed(connection: &mut Connection) -> io::Result<()> {
    let mut theirs = Vec::new();
    loop {
        theirs.push(poll_fn(|cx| connection.poll_inbound_unpin(cx)).await.map_err(io::Error::other)?);
    }
}

/// A good connection from one of the attackers' addresses, with a key that nobody knows.
async fn connect(target: SocketAddr, dice: &mut Dice) -> io::Result<(Quic, Connection)> {
    let mut quic = quic();
    // a dialer goes out through the port that it listens on
    quic.listen_on(ListenerId::next(), multiaddr(address(dice))).map_err(io::Error::other)?;
    let (_, connection) = dial(&mut quic, target)?.await.map_err(io::Error::other)?;
    Ok((quic, connection))
}

fn quic() -> Quic {
    Quic::new(Config::new(&identity::Keypair::generate_ed25519()))
}

fn dial(quic: &mut Quic, target: SocketAddr) -> io::Result<<Quic as Transport>::Dial> {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::Reuse };
    quic.dial(multiaddr(target), options).map_err(io::Error::other)
}

fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Udp(address.port())).with(Protocol::QuicV1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_node_tests::until;
    use libp2p::core::transport::TransportEvent;
    use std::future::pending;
    use std::pin::Pin;

    #[tokio::test]
    async fn a_first_packet_is_one_and_each_begins_another_handshake() {
        let mut quic = quic();
        let (one, other) = (first_packets(&mut quic).await.unwrap(), first_packets(&mut quic).await.unwrap());
        let (one, other) = (one.concat(), other.concat());
        for packet in [&one, &other] {
            assert!(packet.len() >= FIRST, "{} bytes", packet.len());
            assert_eq!(packet[0] & 0xf0, 0xc0, "the long head of a first packet");
            assert_eq!(packet[1..5], [0, 0, 0, 1], "version 1");
        }
        assert_ne!(one[6..14], other[6..14], "they would be one handshake");
    }

    type Event = TransportEvent<<Quic as Transport>::ListenerUpgrade, <Quic as Transport>::Error>;

    async fn next(quic: &mut Quic) -> Event {
        poll_fn(|cx| Transport::poll(Pin::new(&mut *quic), cx)).await
    }

    /// One who listens as a node does, and lets everybody in.
    async fn listener() -> SocketAddr {
        let mut quic = quic();
        quic.listen_on(ListenerId::next(), multiaddr(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))).unwrap();
        let at = next(&mut quic).await.into_new_address().unwrap();
        let port = at.iter().find_map(|part| if let Protocol::Udp(port) = part { Some(port) } else { None }).unwrap();
        tokio::spawn(async move {
            loop {
                if let Some((connecting, _)) = next(&mut quic).await.into_incoming() {
                    tokio::spawn(async move {
                        let _connection = connecting.await;
                        pending::<()>().await;
                    });
                }
            }
        });
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    #[test]
    fn each_kind_lands_where_somebody_listens() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (target, counts) = (runtime.block_on(listener()), Arc::new(Counts::default()));
        for kind in QuicAbuse::ALL {
            runtime.spawn(kind.run(target, Dice::new(7), Arc::clone(&counts)));
        }
        let all = || QuicAbuse::ALL.iter().all(|kind| counts.handshaken(kind.name()) == 1);
        until("all have landed", WHOLE, all).unwrap();
        runtime.shutdown_background();
    }

    #[tokio::test]
    async fn none_lands_where_nobody_listens() {
        let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        for kind in [QuicAbuse::Junk, QuicAbuse::Half] {
            kind.run(closed, Dice::new(7), Arc::clone(&counts)).await;
            assert_eq!(counts.handshaken(kind.name()), 0, "{}", kind.name());
        }
    }
}
