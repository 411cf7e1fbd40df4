//! Attacks that are bytes on a TCP connection: garbage, half handshakes, slow and huge headers.

use super::Counts;
use crate::dice::Dice;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// How many addresses the attackers have.
const ADDRESSES: u64 = 50;
/// How long an attacker holds a connection on which nothing happens.
const HOLD: Duration = Duration::from_secs(8);
const CONNECT: Duration = Duration::from_secs(3);

/// What is done with one connection.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    /// Says nothing.
    Silent,
    /// So many random bytes.
    Garbage(usize),
    /// These bytes, and then nothing.
    Half(Vec<u8>),
    /// These bytes, and then one more now and then.
    Drip(Vec<u8>),
    /// The first bytes, then the others again and again for so many bytes.
    Endless(Vec<u8>, Vec<u8>, usize),
}

/// One of the attackers' addresses, with a port that the system chooses.
pub(super) fn address(dice: &mut Dice) -> SocketAddr {
    let last = u8::try_from(1 + dice.below(ADDRESSES)).unwrap_or(1);
    SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0))
}

/// Connects from one of the attackers' addresses.
pub(crate) async fn connect_from(target: SocketAddr, dice: &mut Dice, counts: &Counts) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(address(dice)).ok()?;
    let stream = timeout(CONNECT, socket.connect(target)).await.ok()?.ok()?;
    counts.connected.fetch_add(1, Ordering::Relaxed);
    Some(stream)
}

/// One attack of this kind.
pub(crate) async fn raw(target: SocketAddr, behaviour: Behaviour, mut dice: Dice, counts: Arc<Counts>) {
    let Some(mut stream) = connect_from(target, &mut dice, &counts).await else { return };
    // whatever the node does with it, the attacker goes on with the next one
    let _ = timeout(HOLD, act(&mut stream, behaviour, &mut dice)).await;
}

async fn act(stream: &mut TcpStream, behaviour: Behaviour, dice: &mut Dice) -> std::io::Result<()> {
    match behaviour {
        Behaviour::Silent => {}
        Behaviour::Garbage(length) => stream.write_all(&dice.bytes(length)).await?,
        Behaviour::Half(bytes) => stream.write_all(&bytes).await?,
        Behaviour::Drip(bytes) => {
            stream.write_all(&bytes).await?;
            loop {
                tokio::time::sleep(Duration::from_millis(700)).await;
                stream.write_all(b"a").await?;
            }
        }
        Behaviour::Endless(first, again, total) => {
            stream.write_all(&first).await?;
            let mut sent = 0;
            while sent < total {
                stream.write_all(&again).await?;
                sent += again.len();
            }
        }
    }
    // until the node has enough of it
    let mut sink = [0; 1024];
    while stream.read(&mut sink).await? > 0 {}
    Ok(())
}
