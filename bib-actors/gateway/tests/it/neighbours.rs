//! The pages' bound of connections for one address, from machines of a network: loopback has none.

use crate::support::{Node, run};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Connections that the pages take from one address.
const BOUND: usize = 64;

/// Opens connections one after the other, asks for `/livez` on each, and holds all that answered until standard input
/// ends. Prints how many.
const ASKING: &str = r#"
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
held = []
for _ in range(count):
    try:
        tls = context.wrap_socket(socket.create_connection((host, port), timeout=20))
        tls.sendall(b"GET /livez HTTP/1.1\r\nhost: %s:%d\r\n\r\n" % (host.encode(), port))
        if tls.recv(12) == b"HTTP/1.1 200":
            held.append(tls)
    except OSError:
        pass
print(len(held), flush=True)
sys.stdin.read()
"#;

/// A machine of its own, joined to this one by a cable.
struct Neighbour {
    name: String,
}

fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().expect("`ip` is needed: apt-get install iproute2");
    assert!(done.status.success(), "ip {words}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Neighbour {
    /// The one with this number; the end of its cable here has the address that is told.
    fn new(number: u32) -> (Self, String) {
        let (pid, net) = (std::process::id(), format!("10.213.{}", std::process::id() % 120 * 2 + number));
        let (name, here) = (format!("bib-{pid}-{number}"), format!("bib{pid}.{number}"));
        ip(&format!("netns add {name}"));
        let made = Self { name: name.clone() };
        ip(&format!("link add {here} type veth peer name cable netns {name}"));
        ip(&format!("addr add {net}.1/24 dev {here}"));
        ip(&format!("link set {here} up"));
        ip(&format!("-n {name} addr add {net}.2/24 dev cable"));
        ip(&format!("-n {name} link set cable up"));
        ip(&format!("-n {name} route add default via {net}.1"));
        (made, format!("{net}.1"))
    }

    /// Asks the pages from there. Answers on how many connections they answered, and who holds them.
    fn ask(&self, pages: std::net::SocketAddr, count: usize) -> (usize, Asking) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "python3", "-B", "-c", ASKING]);
        command.args([pages.ip().to_string(), pages.port().to_string(), count.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (line.trim().parse().unwrap(), Asking(child))
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // the cable goes with it
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

/// Holds its connections until it is dropped.
struct Asking(Child);

impl Drop for Asking {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_neighbour_has_its_bound_and_another_one_is_served() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("not run: making a network of its own needs root");
    }
    run(async {
        let ((greedy, here), (honest, _)) = (Neighbour::new(0), Neighbour::new(1));
        let listen = format!("{here}:0").parse().unwrap();
        let node = Node::with_pages(|pages| {
            (pages.listen, pages.tls) = (listen, true);
            // those that are held stay, however long the others take
            pages.web.keep_alive = Duration::from_secs(600);
        })
        .await;
        let pages = node.web;
        tokio::task::spawn_blocking(move || {
            let (answered, held) = greedy.ask(pages, BOUND + 30);
            assert_eq!(answered, BOUND);
            assert_eq!(honest.ask(pages, 3).0, 3, "another address has its own");
            assert_eq!(greedy.ask(pages, 3).0, 0, "it has all that one address gets");
            drop(held);
            let free = std::iter::repeat_with(|| greedy.ask(pages, 1).0).take(100).any(|answered| answered == 1);
            assert!(free, "what was given back is not given out again");
        })
        .await
        .unwrap();
    });
}
