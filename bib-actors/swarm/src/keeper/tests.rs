//! What must hold of the keeper: whom it dials when, and with which pauses.

use super::*;
use bib_kit::clock;

const HERE: &str = "/ip4/10.0.0.1/tcp/1";
const STEADY: Duration = Duration::from_secs(30);

fn keeper() -> Keeper {
    Keeper::new(&SwarmOptions {
        redial: Backoff { first: Duration::from_secs(1), max: Duration::from_secs(8) },
        steady_after: STEADY,
        max_addresses_per_peer: 2,
        max_discovered: 3,
        ..SwarmOptions::default()
    })
}

fn keeper_of(peer: PeerId, addresses: &[&str], now: Instant) -> Keeper {
    let mut keeper = keeper();
    let texts = addresses.iter().map(ToString::to_string).collect();
    assert!(keeper.set(&[(peer, texts)], |_| false, now).is_empty());
    keeper
}

#[test]
fn dials_at_once_then_with_growing_pauses() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let mut keeper = keeper_of(peer, &[HERE], now);
    assert_eq!(keeper.due(now, 8), [peer]);
    assert_eq!(keeper.due(now, 0), []);
    keeper.started(&peer, now);
    assert_eq!((keeper.dialing(), keeper.due(now, 8), keeper.next_due()), (1, vec![], None));
    let mut pauses = Vec::new();
    for _ in 0..6 {
        keeper.started(&peer, now);
        keeper.failed(&peer, now, 0);
        pauses.push(keeper.next_due().unwrap() - now);
    }
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 4_000, 4_000].map(Duration::from_millis));
    keeper.connected(&peer, now);
    assert_eq!(keeper.next_due(), None);
    keeper.failed(&peer, now, 0);
    assert_eq!(keeper.next_due(), None, "it came by itself while the dial failed");
    let later = now + STEADY;
    keeper.lost(&peer, later, 0);
    assert_eq!(keeper.next_due(), Some(later + Duration::from_millis(500)), "a success starts over");
    keeper.started(&peer, later);
    keeper.lost(&peer, later, 0);
    assert_eq!((keeper.dialing(), keeper.next_due()), (1, None), "an old connection ends during a dial");
}

#[test]
fn a_connection_that_comes_and_goes_ends_no_pause() {
    let (peer, mut now) = (PeerId::random(), clock::monotonic());
    let mut keeper = keeper_of(peer, &[HERE], now);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        keeper.started(&peer, now);
        keeper.connected(&peer, now);
        // another connection beside it changes nothing
        keeper.connected(&peer, now + Duration::from_millis(50));
        now += Duration::from_millis(100);
        keeper.lost(&peer, now, 0);
        pauses.push(keeper.next_due().unwrap() - now);
    }
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 4_000, 4_000].map(Duration::from_millis));
}

#[test]
fn a_dial_beside_a_connection_leads_back_to_it() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let mut keeper = keeper_of(peer, &[HERE], now);
    for _ in 0..4 {
        keeper.started(&peer, now);
        keeper.failed(&peer, now, 0);
    }
    keeper.connected(&peer, now);
    let later = now + STEADY;
    // a stream over it times out, so that a second connection is tried, which fails
    keeper.started(&peer, later);
    keeper.connected(&peer, later);
    assert_eq!(keeper.dialing(), 0);
    keeper.lost(&peer, later, 0);
    assert_eq!(keeper.next_due(), Some(later + Duration::from_millis(500)), "the first one had lasted");
}

#[test]
fn news_end_the_pause() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let mut keeper = keeper_of(peer, &[HERE], now);
    keeper.started(&peer, now);
    keeper.failed(&peer, now, u64::MAX);
    assert!(keeper.due(now, 8).is_empty());
    keeper.found(peer, "/ip4/10.0.0.9/tcp/1".parse().unwrap(), now);
    assert_eq!(keeper.due(now, 8), [peer]);
    assert_eq!(keeper.addresses(&peer)[0].to_string(), "/ip4/10.0.0.9/tcp/1");
    keeper.started(&peer, now);
    keeper.failed(&peer, now, u64::MAX);
    keeper.set(&[(peer, vec!["/ip4/10.0.0.2/tcp/1".to_owned()])], |_| false, now);
    assert_eq!(keeper.due(now, 8), [peer]);
}

#[test]
fn what_was_found_before_pairing_counts_after_it() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let address: Multiaddr = HERE.parse().unwrap();
    let mut keeper = keeper();
    keeper.found(peer, address.clone(), now);
    assert!(keeper.due(now, 8).is_empty(), "not paired");
    keeper.set(&[(peer, Vec::new())], |_| false, now);
    assert_eq!(keeper.due(now, 8), [peer]);
    assert_eq!(keeper.addresses(&peer), std::slice::from_ref(&address));
    keeper.vanished(&peer, &address);
    assert!(keeper.due(now, 8).is_empty() && keeper.addresses(&peer).is_empty());
}

#[test]
fn made_up_names_do_not_crowd_out_a_paired_node() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let mut keeper = keeper_of(peer, &[], now);
    for _ in 0..100 {
        keeper.found(PeerId::random(), HERE.parse().unwrap(), now);
    }
    assert_eq!(keeper.found.len(), 3);
    keeper.found(peer, HERE.parse().unwrap(), now);
    assert_eq!((keeper.found.len(), keeper.due(now, 8)), (3, vec![peer]));
}

#[test]
fn the_same_list_again_keeps_the_pause() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let mut keeper = keeper_of(peer, &[HERE], now);
    keeper.started(&peer, now);
    keeper.failed(&peer, now, 0);
    keeper.set(&[(peer, vec![HERE.to_owned()])], |_| false, now);
    assert!(keeper.due(now, 8).is_empty());
}

#[test]
fn who_left_the_list_is_named_and_forgotten() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let mut keeper = keeper_of(peer, &[HERE], now);
    assert_eq!(keeper.set(&[], |_| true, now), [peer]);
    assert!(keeper.due(now, 8).is_empty() && keeper.addresses(&peer).is_empty());
}

#[test]
fn addresses_are_checked_and_bounded() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    let foreign = format!("{HERE}/p2p/{}", PeerId::random());
    let own = format!("/ip4/10.0.0.2/tcp/1/p2p/{peer}");
    let keeper = keeper_of(peer, &["nonsense//", &foreign, HERE, HERE, &own, "/ip4/10.0.0.3/tcp/1"], now);
    let kept: Vec<String> = keeper.addresses(&peer).iter().map(ToString::to_string).collect();
    assert_eq!(kept, [HERE, "/ip4/10.0.0.2/tcp/1"]);
}

#[test]
fn a_peer_without_addresses_or_disconnected_on_purpose_is_left_alone() {
    let (peer, now) = (PeerId::random(), clock::monotonic());
    assert_eq!(keeper_of(peer, &[], now).next_due(), None);
    let mut keeper = keeper_of(peer, &[HERE], now);
    keeper.pause(&peer);
    keeper.lost(&peer, now, 0);
    keeper.failed(&peer, now, 0);
    assert_eq!(keeper.next_due(), None);
    keeper.connected(&peer, now);
    keeper.lost(&peer, now, 0);
    assert!(keeper.next_due().is_some());
}
