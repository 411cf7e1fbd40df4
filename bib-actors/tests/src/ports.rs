//! Ports that are free now, below the range from which the system takes its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 21_000;
const LAST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port that is free for TCP and UDP on loopback. Two callers in one process never get the same one.
///
/// # Panics
/// When none of some eleven thousand ports is free.
#[must_use]
pub fn free_port() -> u16 {
    // processes begin at different places, so that tests in parallel do not meet
    let offset = u16::try_from(std::process::id() % 997).unwrap_or(0) * 11;
    for _ in FIRST..LAST {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (offset.wrapping_add(step)) % (LAST - FIRST);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port between {FIRST} and {LAST} is free");
}
