//! Checks of the places where the node listens: free, or its own.

use super::check::Check;
use crate::session::Env;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the pages may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    name: &'static str,
    address: SocketAddr,
    udp: bool,
}

/// Every place that the configuration names. `runs`: the node answers, so they are to be its own.
pub(super) fn all(env: &Env, runs: bool) -> Vec<Check> {
    let text = std::fs::read_to_string(env.home.daemon_config()).unwrap_or_default();
    let config = text.parse::<toml::Table>().unwrap_or_default();
    places(&config).iter().map(|place| check(place, runs)).collect()
}

fn check(place: &Place, runs: bool) -> Check {
    let kind = if place.udp { "udp" } else { "tcp" };
    let what = format!("{} {kind}", place.address);
    let free =
        if place.udp { UdpSocket::bind(place.address).map(drop) } else { TcpListener::bind(place.address).map(drop) };
    match (free, runs) {
        (Ok(()), false) => Check::ok("ports", place.name, format!("{what} is free")),
        (Ok(()), true) => Check::warn(
            "ports",
            place.name,
            format!("{what} is free, though the node runs: it was started with another configuration"),
        ),
        (Err(error), true) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Check::ok("ports", place.name, format!("{what} is taken, by this node as it runs"))
        }
        (Err(error), _) if error.kind() == std::io::ErrorKind::AddrInUse => Check::fail(
            "ports",
            place.name,
            format!(
                "{what} is taken by another program; which one: ss -ltunp 'sport = :{}'; another port: bib help ports",
                place.address.port()
            ),
        ),
        (Err(error), _) => Check::fail("ports", place.name, format!("{what} cannot be used: {error}")),
    }
}

/// The places in a configuration, or the usual ones.
fn places(config: &toml::Table) -> Vec<Place> {
    let listen = |section: &str| -> Vec<String> {
        match config.get(section).and_then(|section| section.get("listen")) {
            Some(toml::Value::String(one)) => vec![one.clone()],
            Some(toml::Value::Array(many)) => many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    };
    let usual = |found: Vec<String>, usual: &[&str]| -> Vec<String> {
        if found.is_empty() { usual.iter().map(ToString::to_string).collect() } else { found }
    };
    let plain = |name, text: &String| Some(Place { name, address: text.parse().ok()?, udp: false });
    let mut places = Vec::new();
    places.extend(usual(listen("grpc"), &["0.0.0.0:4000"]).iter().filter_map(|text| plain("grpc", text)));
    let p2p = usual(listen("p2p"), &["/ip4/0.0.0.0/tcp/4001", "/ip4/0.0.0.0/udp/4001/quic-v1"]);
    places.extend(p2p.iter().filter_map(|text| multiaddress(text)));
    places.extend(usual(listen("web"), &["127.0.0.1:4080"]).iter().filter_map(|text| plain("web", text)));
    places.retain(|place| place.address.port() != 0);
    places
}

/// `/ip4/ADDRESS/tcp/PORT` and the like; what is neither TCP nor UDP of an address is not checked.
fn multiaddress(text: &str) -> Option<Place> {
    let mut parts = text.split('/').skip(1);
    let (_, address, kind, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let address: IpAddr = address.parse().ok()?;
    let udp = match kind {
        "tcp" => false,
        "udp" => true,
        _ => return None,
    };
    Some(Place { name: "p2p", address: SocketAddr::new(address, port.parse().ok()?), udp })
}

/// Whether the pages say that the node is ready.
pub(super) async fn web(env: &Env) -> Check {
    let text = std::fs::read_to_string(env.home.daemon_config()).unwrap_or_default();
    let config = text.parse::<toml::Table>().unwrap_or_default();
    let Some(place) = places(&config).into_iter().find(|place| place.name == "web") else {
        return Check::ok("web", "ready", "no pages are configured");
    };
    let url = format!("http://{}/readyz", place.address);
    match tokio::time::timeout(ANSWER, status(place.address)).await {
        Ok(Ok(code)) if code == "200" => Check::ok("web", "ready", format!("{url} answers 200")),
        Ok(Ok(code)) if code == TLS => Check::ok("web", "ready", format!("https://{} answers", place.address)),
        Ok(Ok(code)) => Check::warn("web", "ready", format!("{url} answers {code}: the node is not ready")),
        Ok(Err(error)) => Check::warn("web", "ready", format!("{url} does not answer: {error}")),
        Err(_) => Check::warn("web", "ready", format!("{url} does not answer in time")),
    }
}

/// What stands for a status where TLS is spoken: with `web.tls` the pages do so once the gateway has a certificate.
const TLS: &str = "TLS";

/// Whether this is what TLS says to somebody who does not speak it: a record of type 21, an alert.
fn is_alert(answer: &[u8]) -> bool {
    matches!(answer, [21, 3, ..])
}

async fn status(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    stream.take(1024).read_to_end(&mut head).await?;
    if is_alert(&head) {
        return Ok(TLS.to_owned());
    }
    let text = String::from_utf8_lossy(&head);
    Ok(text.split(' ').nth(1).unwrap_or("nothing").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_the_node_listens() {
        let usual = places(&toml::Table::new());
        assert_eq!(usual.iter().map(|place| place.address.port()).collect::<Vec<_>>(), [4000, 4001, 4001, 4080]);
        assert_eq!(usual.iter().filter(|place| place.udp).count(), 1);
        let text = "[grpc]\nlisten = [\"127.0.0.1:4100\"]\n[p2p]\nlisten = [\"/ip6/::1/tcp/0\", \"/dns/x/tcp/1\"]\n[web]\nlisten = \"127.0.0.1:4180\"\n";
        let found = places(&text.parse().unwrap());
        assert_eq!(found.iter().map(|place| place.address.port()).collect::<Vec<_>>(), [4100, 4180]);
    }

    #[test]
    fn a_port_is_free_or_taken_or_its_own() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = Place { name: "grpc", address: listener.local_addr().unwrap(), udp: false };
        assert!(check(&place, false).detail.contains("taken by another program"));
        assert!(check(&place, true).detail.contains("by this node"));
        drop(listener);
        assert!(check(&place, false).detail.contains("is free"));
    }
}
