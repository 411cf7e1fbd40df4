//! A token bucket in front of a port: what the server sends passes no faster than a rate, over all connections together.

use anyhow::Context;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that pass in one go: small against a second's worth, so that the rate is even.
const BLOCK: usize = 16 << 10;

/// Bytes that may pass at once after a pause. Without any, what a thread lost to others on a busy machine would be lost
/// for the rate; more would let a short fetch pass unlimited.
const DEPTH: f64 = 256e3;

/// The port in front. Its threads end with its connections; there are as many of those as its clients make.
pub(crate) struct Bucket {
    shared: Arc<Shared>,
}

struct Shared {
    bytes_per_s: f64,
    /// When the next block may pass.
    next: Mutex<Instant>,
    passed: AtomicU64,
    /// Whether everything passes at once.
    open: AtomicBool,
}

impl Bucket {
    /// Listens on `port` and passes on to `target`, both on this machine.
    #[expect(clippy::disallowed_methods, reason = "a rate is made of time")]
    pub(crate) fn new(port: u16, target: u16, bytes_per_s: f64) -> anyhow::Result<Self> {
        let (next, passed, open) = (Mutex::new(Instant::now()), AtomicU64::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { bytes_per_s, next, passed, open });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("listen in front of a provider")?;
        let made = Self { shared: Arc::clone(&shared) };
        std::thread::Builder::new().name("bucket".to_owned()).spawn(move || {
            for client in listener.incoming().flatten() {
                // a provider that was killed refuses: its clients see the end of their connection
                if let Ok(server) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target))) {
                    let _ = pass(client, server, &shared);
                }
            }
        })?;
        Ok(made)
    }

    /// Lets everything pass at once, or no more than the rate.
    pub(crate) fn set_open(&self, open: bool) {
        self.shared.open.store(open, Ordering::Relaxed);
    }

    /// Bytes that the server has sent through it.
    pub(crate) fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }
}

fn pass(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = (client.try_clone()?, client);
    let (mut from_server, mut to_server) = (server.try_clone()?, server);
    std::thread::Builder::new().name("bucket-in".to_owned()).spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    })?;
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("bucket-out".to_owned()).spawn(move || {
        let mut block = vec![0; BLOCK];
        while let Ok(read @ 1..) = from_server.read(&mut block) {
            shared.wait(read);
            if to_client.write_all(&block[..read]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
    })?;
    Ok(())
}

impl Shared {
    /// Takes a place in the queue for `bytes`, and waits until it is due.
    #[expect(clippy::disallowed_methods, reason = "a rate is made of time")]
    fn wait(&self, bytes: usize) {
        self.passed.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.open.load(Ordering::Relaxed) {
            return;
        }
        let due = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let saved = Duration::from_secs_f64(DEPTH / self.bytes_per_s);
            let due = (*next).max(now.checked_sub(saved).unwrap_or(now));
            *next = due + Duration::from_secs_f64(crate::rows::float(bytes) / self.bytes_per_s);
            due
        };
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::park_timeout(left);
        }
    }
}
