//! Floods of connections, datagrams and malformed bytes against the node network, the API and the pages.
//!
//! The attackers come from fifty addresses of this machine. While they go on, an honest client of each door is served,
//! memory stays within its bound, nothing panics and no actor is restarted. A kind of attack that begins with a handshake
//! counts only if the node shook hands with one of its attackers.

use crate::census::resident;
use crate::clients::connect;
use crate::dice::Dice;
use crate::flood::{
    Behaviour, Counts, Flood, Honest, Http2Abuse, MuxerAbuse, QuicAbuse, Reader, abuse_muxer, peak_during, raw,
};
use crate::nodes::{Inquiry, PATIENCE, full, restarts, subscribe};
use crate::report::Row;
use crate::setting::Setting;
use anyhow::{Context, ensure};
use bib_node_tests::{Lab, Node, NodeSpec, has, pair, until};
use bib_proto::client::{Address, Client, ClientOptions, Trust, TrustStore};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How much more memory a node may hold under a flood than before it.
const GROWTH: u64 = 128 << 20;
/// A peer that asks for TLS and begins a record that never ends.
const HALF_TLS: &[u8] = b"\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n\x16\x03\x01\x40\x00";
/// An honest client's patience.
const PATIENT: Duration = Duration::from_secs(30);

pub(super) fn peers(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let node = full(&lab, NodeSpec::full("flooded"))?;
    let mut friend = lab.node(NodeSpec::cache("friend"))?;
    friend.start()?;
    pair(&node, &friend)?;
    subscribe(&friend, crate::clients::TOPIC)?;
    let (target, quic) = (peer_address(&node, "/tcp/")?, peer_address(&node, "/udp/")?);
    let attack = move |turn: usize, dice: Dice, counts: Arc<Counts>| async move {
        let [muxers, quics] = [MuxerAbuse::ALL.len(), QuicAbuse::ALL.len()];
        match turn % (6 + muxers + quics) {
            0 => raw(target, Behaviour::Silent, dice, counts).await,
            1 => raw(target, Behaviour::Garbage(64 << 10), dice, counts).await,
            2 => raw(target, Behaviour::Half(b"\x13/multistream/1.0.0\n".to_vec()), dice, counts).await,
            3 => {
                raw(target, Behaviour::Half(b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff".to_vec()), dice, counts)
                    .await
            }
            4 => raw(target, Behaviour::Half(vec![0xff; 16]), dice, counts).await,
            5 => raw(target, Behaviour::Half(HALF_TLS.to_vec()), dice, counts).await,
            kind if kind < 6 + muxers => abuse_muxer(target, MuxerAbuse::ALL[kind - 6], dice, counts).await,
            kind => QuicAbuse::ALL[kind - 6 - muxers].run(quic, dice, counts).await,
        }
    };
    let kinds: Vec<_> =
        MuxerAbuse::ALL.map(MuxerAbuse::name).into_iter().chain(QuicAbuse::ALL.map(QuicAbuse::name)).collect();
    let mut number = 0;
    let mut honest = || {
        // something new on the flooded node arrives at its friend
        number += 1;
        let path = lab.path().join(format!("small-{number}.txt"));
        std::fs::write(&path, format!("small {number}"))?;
        let name = format!("small-{number}");
        let path = path.to_str().context("a UTF-8 folder")?;
        node.bib(&["dataset", "upload", path, "--topic", crate::clients::TOPIC, "--name", &name])?.ok()?;
        until("it arrives", PATIENT, || has(&friend, &format!("{}/{name}", crate::clients::TOPIC)))
    };
    flood(setting, row, &node, attack, &kinds, &mut honest)
}

pub(super) fn api(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let node = full(&lab, NodeSpec::full("flooded"))?;
    let target = node.grpc();
    // the first bytes of a TLS handshake, whose rest never comes
    let hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let attack = move |turn: usize, dice: Dice, counts: Arc<Counts>| {
        let hello = hello.clone();
        async move {
            match turn % (3 + Http2Abuse::ALL.len()) {
                0 => raw(target, Behaviour::Silent, dice, counts).await,
                1 => raw(target, Behaviour::Half(hello), dice, counts).await,
                2 => raw(target, Behaviour::Garbage(32 << 10), dice, counts).await,
                kind => Http2Abuse::ALL[kind - 3].run(target, dice, counts).await,
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let status = node.json(&["status"])?;
    let fingerprint = status["tlsFingerprint"].as_str().context("a fingerprint")?.to_owned();
    let fingerprint = fingerprint.parse().map_err(|error| anyhow::anyhow!("{error}"))?;
    let address = Address::Tcp { host: "127.0.0.1".to_owned(), port: target.port() };
    let store = TrustStore::at(lab.path().join("trust"));
    let mut honest = || {
        runtime.block_on(async {
            let call = async {
                let options = ClientOptions { connect_timeout: PATIENT, ..ClientOptions::default() };
                let client = Client::connect(&address, &store, Trust::Expect(fingerprint), options).await?;
                client.health().get_health(bib_proto::v1::GetHealthRequest {}).await?;
                anyhow::Ok(())
            };
            tokio::time::timeout(PATIENT, call).await.context("no answer in time")?
        })
    };
    flood(setting, row, &node, attack, &Http2Abuse::ALL.map(Http2Abuse::name), &mut honest)
}

pub(super) fn pages(setting: &Setting, row: &mut Row) -> anyhow::Result<()> {
    let lab = Lab::new()?;
    let node = full(&lab, NodeSpec::full("flooded"))?;
    let target = node.web();
    let reader = Reader::sign_in(&node)?;
    let attack = move |turn: usize, dice: Dice, counts: Arc<Counts>| async move {
        let begin = b"GET / HTTP/1.1\r\nHost: localhost\r\n".to_vec();
        let again = |line: &str| format!("{line}\r\nHost: localhost\r\n\r\n").repeat(100).into_bytes();
        let behaviour = match turn % 8 {
            0 => Behaviour::Silent,
            1 => Behaviour::Garbage(64 << 10),
            2 => Behaviour::Drip([&begin[..], b"X-Slow: "].concat()),
            3 => Behaviour::Endless(begin, b"X-Many: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(100), 8 << 20),
            4 => Behaviour::Endless(Vec::new(), again("GET /livez HTTP/1.1"), 4 << 20),
            // answers without a body, and requests of the fewest bytes
            5 => Behaviour::Endless(Vec::new(), again("GET / HTTP/1.1"), 4 << 20),
            6 => Behaviour::Endless(Vec::new(), b"GET / HTTP/1.0\r\n\r\n".repeat(100), 4 << 20),
            _ => Behaviour::Half(
                b"POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nx".to_vec(),
            ),
        };
        raw(target, behaviour, dice, counts).await;
    };
    let mut honest = || {
        livez(target)?;
        reader.read("/topics", crate::clients::TOPIC)
    };
    // none of these begins with a handshake
    flood(setting, row, &node, attack, &[], &mut honest)
}

/// Asks the pages whether they live.
pub(super) fn livez(target: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENT)?;
    stream.set_read_timeout(Some(PATIENT))?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    ensure!(&answer == b"HTTP/1.1 200", "it answered {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// The address of the node network over TCP or UDP, from the node's own configuration.
fn peer_address(node: &Node, over: &str) -> anyhow::Result<SocketAddr> {
    let text = std::fs::read_to_string(node.config_dir().join("bibd.toml"))?;
    let port = text.split(over).nth(1).with_context(|| format!("an address with {over}"))?;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    Ok(SocketAddr::from(([127, 0, 0, 1], port.parse()?)))
}

fn flood<F, Fut>(
    setting: &Setting,
    row: &mut Row,
    node: &Node,
    attack: F,
    shake_hands: &[&'static str],
    honest: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()>
where
    F: Fn(usize, Dice, Arc<Counts>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let pid = node.pid().context("the node runs")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let before = restarts(&Inquiry::begin(&runtime, &node.data_dir())?.health()?);
    let quiet = Honest::ask(Duration::from_secs(3), &mut *honest);
    ensure!(quiet.failed.is_empty(), "the honest client is not served without a flood: {:?}", quiet.failed);
    let rss = resident(pid)?;
    let attackers = setting.pick(150, 500);
    let flood = Flood::start(attackers, &setting.dice().branch(9), attack)?;
    let time = setting.pick(Duration::from_secs(8), Duration::from_secs(120));
    let (seen, peak) = peak_during(pid, || Honest::ask(time, &mut *honest));
    let counts = flood.stop();
    let (begun, connected) = (counts.begun.load(Ordering::Relaxed), counts.connected.load(Ordering::Relaxed));
    row.runs = u32::try_from(begun).unwrap_or(u32::MAX);
    row.void = u32::from(connected == 0) * row.runs;
    row.figure("attacks let in", connected as f64);
    for kind in shake_hands {
        let done = counts.handshaken(kind);
        row.figure(&format!("handshakes of {kind}"), done as f64);
        row.expect(done > 0, || format!("no attack of the kind {kind} got through its handshake: it was not tried"));
    }
    row.figure("MiB before", rss as f64 / f64::from(1 << 20));
    row.figure("MiB at most", peak as f64 / f64::from(1 << 20));
    row.figure("honest calls", seen.served.len() as f64);
    row.sample("quiet ms", quiet.served);
    row.sample("under flood ms", seen.served.clone());
    row.expect(!seen.served.is_empty(), || "no honest client was served".to_owned());
    row.expect(seen.failed.is_empty(), || {
        format!("{} honest calls of {} failed: {:?}", seen.failed.len(), seen.served.len(), seen.failed.first())
    });
    row.expect(peak <= rss + GROWTH, || format!("memory grew from {rss} to {peak} bytes"));
    let panics = node.log().matches("panicked").count();
    row.expect(panics == 0, || format!("{panics} panics in the log"));
    until("the node is quiet again", PATIENCE, || runtime.block_on(connect(&node.data_dir())).is_some())?;
    let after = restarts(&Inquiry::begin(&runtime, &node.data_dir())?.health()?);
    row.expect(before == after, || format!("actors were restarted: {before:?} became {after:?}"));
    honest().context("after the flood")?;
    self_check(row);
    Ok(())
}

/// The measure of memory sees what is taken.
fn self_check(row: &mut Row) {
    let own = std::process::id();
    let before = resident(own).unwrap_or(0);
    let (taken, peak) = peak_during(own, || {
        let taken = vec![1_u8; usize::try_from(GROWTH).unwrap_or(0) + (16 << 20)];
        crate::watch::pause(Duration::from_millis(200));
        std::hint::black_box(taken).len()
    });
    row.self_check(taken > 0 && peak > before + GROWTH, "memory that grew");
}
