//! A peer whose machine is gone without a word: its connection is noticed, dropped and made anew.

use crate::support::{Node, eventually, exchange, options, run};
use bib_swarm::SwarmOptions;
use bib_swarm::protocols::DATA;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on until the wire is cut; then it swallows them, as a dead machine does.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cut: Arc<AtomicBool>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len) = from.read(&mut buffer).await {
        if len == 0 {
            break;
        }
        if !cut.load(Ordering::Relaxed) && to.write_all(&buffer[..len]).await.is_err() {
            break;
        }
    }
}

/// A way to a node that can fail.
struct Wire {
    address: SocketAddr,
    cuts: watch::Sender<u32>,
    refuses: Arc<AtomicBool>,
}

impl Wire {
    /// A wire to `target`.
    async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, seen) = watch::channel(0);
        let refuses = Arc::new(AtomicBool::new(false));
        let refusing = Arc::clone(&refuses);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if refusing.load(Ordering::Relaxed) {
                    continue;
                }
                let far = TcpStream::connect(target).await.unwrap();
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                let cut = Arc::new(AtomicBool::new(false));
                tokio::spawn(pass(near_in, far_out, Arc::clone(&cut)));
                tokio::spawn(pass(far_in, near_out, Arc::clone(&cut)));
                let mut cuts = seen.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    if cuts.changed().await.is_ok() {
                        cut.store(true, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, cuts, refuses }
    }

    /// Cuts the connections that exist now.
    fn cut(&self) {
        self.cuts.send_modify(|n| *n += 1);
    }

    /// Takes no new connections, or takes them again.
    fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }
}

/// A host that echoes, a friend of it, and the only way from the friend to it.
async fn wired(options: SwarmOptions) -> (Node, Node, Wire) {
    let (host, friend) = (Node::with(1, options.clone()).await, Node::with(2, options).await);
    host.pair(&[&friend]).await;
    host.echo(DATA).await;
    let bare = host.bare_address("tcp").await;
    let port: u16 = bare.rsplit('/').next().unwrap().parse().unwrap();
    let wire = Wire::to(SocketAddr::from(([127, 0, 0, 1], port))).await;
    let address = format!("/ip4/127.0.0.1/tcp/{}", wire.address.port());
    friend.swarm.set_allowed(vec![(host.id.clone(), vec![address])]).await.unwrap();
    exchange(friend.swarm.open_stream(&host.id, DATA).await.unwrap(), b"before").await;
    (host, friend, wire)
}

#[test]
fn a_silent_connection_is_dropped_and_made_anew() {
    run(async {
        let quick = SwarmOptions {
            ping_interval: Duration::from_millis(100),
            ping_timeout: Duration::from_millis(500),
            ..options()
        };
        let (host, friend, wire) = wired(quick).await;
        wire.cut();
        eventually("made anew", || async { friend.swarm.stats().await.unwrap().established >= 2 }).await;
        exchange(friend.swarm.open_stream(&host.id, DATA).await.unwrap(), b"after").await;
        eventually("the host forgot the dead one", || async {
            host.swarm.stats().await.unwrap().connections == 1 && host.sees(&friend.id).await
        })
        .await;
    });
}

#[test]
fn a_dial_that_fails_beside_a_silent_connection_is_not_the_last() {
    run(async {
        let quick = SwarmOptions {
            stream_timeout: Duration::from_secs(2),
            ping_interval: Duration::from_millis(100),
            // the stream is given up, and the dial too, while nobody has noticed that the connection is dead: of a ping that
            // fails nothing is heard, and the next one waits ten seconds for its stream
            ping_timeout: Duration::from_secs(2),
            ..options()
        };
        let (host, friend, wire) = wired(quick).await;
        wire.refuse(true);
        wire.cut();
        friend.swarm.open_stream(&host.id, DATA).await.unwrap_err();
        assert!(friend.sees(&host.id).await, "the dead connection is still there");
        eventually("it is dropped", || async { !friend.sees(&host.id).await }).await;
        wire.refuse(false);
        // nobody wants a stream: it is dialed because it is paired
        eventually("made anew", || async { friend.sees(&host.id).await }).await;
        exchange(friend.swarm.open_stream(&host.id, DATA).await.unwrap(), b"after").await;
    });
}
