//! A server whose node does not answer, and a client that says exactly what it is told to.

use bib_web::{ActorState, Readiness, Serving, Site, WebOptions, WebServer};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A running server, and the runtime that its connections to the node would use.
pub(crate) struct Served {
    pub(crate) server: WebServer,
    _runtime: Runtime,
}

/// Serves the pages of a node that is starting.
pub(crate) fn serve() -> Served {
    let runtime = Runtime::new().unwrap();
    let actor = ActorState { name: "swarm".into(), rank: 4, state: "restarting".into(), incarnation: 2, restarts: 1 };
    let site = Site {
        node_id: "12D3KooWQNV9yRv3yvVjYWVPUmA4SvpQN1iDjZDVJnDVzZ1eDFGw".into(),
        node_name: "lab-a".into(),
        hosts: vec!["lab-a.example".into()],
        tls: false,
        keeps: true,
        readiness: Arc::new(move || Readiness { ready: false, actors: vec![actor.clone()] }),
        connector: Arc::new(|| Box::pin(async { Err(std::io::ErrorKind::ConnectionRefused.into()) })),
        take: Arc::new(|_| Box::pin(async { tonic::Status::unavailable("away").into_http() })),
        runtime: runtime.handle().clone(),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let serving = Serving { listener, tls: None, ended: Box::new(drop) };
    Served { server: WebServer::start(serving, WebOptions::default(), site).unwrap(), _runtime: runtime }
}

/// One request; the whole answer as text.
pub(crate) fn ask(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut request = format!("{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
    // where a body was refused unread, the server closes a second later: what it says of the length is the end
    let mut text = String::new();
    let mut piece = [0; 4096];
    while !is_whole(&text) {
        match stream.read(&mut piece)? {
            0 => break,
            length => text.push_str(std::str::from_utf8(&piece[..length]).map_err(std::io::Error::other)?),
        }
    }
    Ok(text)
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {answer:?}"))
}
