//! Discovery on the local network: two nodes find each other, and without it no multicast socket is open.

use crate::support::{Node, eventually, options, run};
use bib_kit::Event;
use bib_swarm::{SwarmEvent, SwarmOptions};

/// Whether this process has a socket on the port of multicast DNS.
fn multicast_socket() -> bool {
    let mine: Vec<String> = std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string("/proc/self/net/udp").unwrap();
    table.lines().skip(1).any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(":14E9") && mine.iter().any(|inode| inode == fields[9])
    })
}

/// Whether there is an interface besides the loopback that carries multicast: the flags BROADCAST aside, UP and MULTICAST.
fn network() -> bool {
    let interfaces = std::fs::read_dir("/sys/class/net").unwrap();
    let flags = interfaces.filter_map(|entry| {
        let path = entry.ok()?.path();
        let text = std::fs::read_to_string(path.join("flags")).ok()?;
        Some((path.ends_with("lo"), u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()?))
    });
    let routed = std::fs::read_to_string("/proc/net/route").unwrap().lines().count() > 1;
    routed && flags.into_iter().any(|(loopback, flags)| !loopback && flags & 0x1001 == 0x1001)
}

#[test]
fn nodes_find_each_other_if_they_may() {
    run(async {
        let quiet = Node::start(1).await;
        assert!(!multicast_socket(), "discovery is off");
        drop(quiet);

        if !network() {
            eprintln!("no network with multicast on this machine: only the silence was tested");
            return;
        }
        let seen = SwarmOptions {
            listen: vec!["/ip4/0.0.0.0/tcp/0".to_owned(), "/ip4/0.0.0.0/udp/0/quic-v1".to_owned()],
            mdns: true,
            ..options()
        };
        let mut first = Node::with(2, seen.clone()).await;
        let mut second = Node::with(3, seen).await;
        eventually("a multicast socket", || async { multicast_socket() }).await;
        // paired, but nobody said where they are
        first.pair(&[&second]).await;
        second.pair(&[&first]).await;
        eventually("connected", || async { first.sees(&second.id).await && second.sees(&first.id).await }).await;

        let mut found = false;
        for node in [&mut first, &mut second] {
            while let Some(Event::Item(event)) = futures::FutureExt::now_or_never(node.events.recv()) {
                if let SwarmEvent::Discovered { node_id, addresses } = event {
                    found = true;
                    assert!(addresses.iter().all(|address| address.ends_with(&format!("/p2p/{node_id}"))));
                }
            }
        }
        assert!(found, "discovery was told to the node");

        // nothing of an incarnation stays behind
        first.guard.stop().await;
        second.guard.stop().await;
        eventually("the multicast sockets are closed", || async { !multicast_socket() }).await;
    });
}
