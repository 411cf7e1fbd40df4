//! It answers, and it is gone after the drop.

use bib_web::{ActorState, Readiness, WebOptions, WebServer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn serves_until_dropped_and_the_port_can_be_bound_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let readiness = Arc::new(|| Readiness {
        ready: false,
        actors: vec![ActorState {
            name: "swarm".into(),
            rank: 4,
            state: "restarting".into(),
            incarnation: 2,
            restarts: 1,
        }],
    });
    let server = WebServer::start(listener, WebOptions::default(), readiness).unwrap();
    let address = server.address();
    let live = get(address, "/livez").unwrap();
    assert!(live.starts_with("HTTP/1.1 200 OK") && live.ends_with("ok\n"), "{live}");
    let ready = get(address, "/readyz").unwrap();
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("\"incarnation\":2"), "{ready}");
    drop(server);
    // closing is another thread's work: wait for it, but not for ever
    let deadline = 200;
    let free = (0..deadline).any(|_| {
        std::thread::park_timeout(Duration::from_millis(25));
        TcpListener::bind(address).is_ok()
    });
    assert!(free, "the port is still bound");
}
