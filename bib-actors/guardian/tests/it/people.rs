//! Peers, invitations, people and sessions, on both databases.

use crate::catalog::{on, on_both};
use crate::support::{Backend, Node, node_id, op};
use bib_domain::Role;
use bib_guardian::{GuardianError, InviteError, PeerRow, PeersChanged};
use bib_kit::{Event, clock};

on_both!(peers, invites, one_of_many, users, taken_away, sessions);

pub(crate) fn peer(end: &str) -> PeerRow {
    PeerRow {
        node_id: node_id(end),
        name: format!("node {end}"),
        mode: "full".to_owned(),
        storage: "postgres".to_owned(),
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".to_owned(), "/ip4/127.0.0.1/udp/4001/quic-v1".to_owned()],
        base: true,
        blamed: String::new(),
        last_seen_ms: 0,
        sync_cursor: 0,
    }
}

async fn peers(node: &mut Node) {
    let g = &node.guardian;
    let mut news = node.router.topic::<PeersChanged>().subscribe();
    g.upsert_peer(&op(), peer("b")).await.unwrap();
    assert_eq!(news.recv().await, Event::Item(PeersChanged));
    g.upsert_peer(&op(), peer("c")).await.unwrap();
    assert_eq!(g.peers().await.unwrap(), [peer("b"), peer("c")]);

    g.set_cursor(&op(), &node_id("b"), 17).await.unwrap();
    g.blame_peer(&op(), &node_id("b"), "sent a bad chunk").await.unwrap();
    let mut changed = peer("b");
    (changed.name, changed.last_seen_ms) = ("renamed".to_owned(), 1000);
    g.upsert_peer(&op(), changed).await.unwrap();
    g.upsert_peer(&op(), PeerRow { name: "renamed".to_owned(), ..peer("b") }).await.unwrap();
    let known = g.peers().await.unwrap().remove(0);
    assert_eq!((known.name.as_str(), known.sync_cursor, known.blamed.as_str()), ("renamed", 17, "sent a bad chunk"));
    assert_eq!(known.last_seen_ms, 1000, "it was seen, also when somebody does not know it");

    g.remove_peer(&op(), &node_id("b")).await.unwrap();
    g.remove_peer(&op(), &node_id("b")).await.unwrap();
    assert_eq!(g.counts().await.unwrap().peers, 1);
    let refused = g.blame_peer(&op(), &node_id("b"), "x").await.unwrap_err();
    assert!(matches!(refused, GuardianError::PeerNotFound { .. }), "{refused}");
}

fn invite_error(result: Result<(), GuardianError>) -> InviteError {
    match result.unwrap_err() {
        GuardianError::Invite(error) => error,
        other => panic!("{other}"),
    }
}

async fn invites(node: &mut Node) {
    let g = &node.guardian;
    let (cx, by, now) = (op(), node_id("b"), clock::unix_ms());
    g.create_invite(&op(), [1; 32], now + 5000).await.unwrap();
    assert_eq!(invite_error(g.redeem_invite(&op(), [2; 32], &by, now + 1000).await), InviteError::Unknown);
    assert_eq!(invite_error(g.redeem_invite(&op(), [1; 32], &by, now + 5000).await), InviteError::Expired);
    g.redeem_invite(&cx, [1; 32], &by, now + 4999).await.unwrap();
    g.redeem_invite(&cx, [1; 32], &by, now + 4999).await.expect("a retry gets the same answer");
    assert_eq!(invite_error(g.redeem_invite(&op(), [1; 32], &by, now + 4999).await), InviteError::Used);
    // one that was made while the clock was ahead has an end that is as wrong
    g.create_invite(&op(), [3; 32], now + 5000).await.unwrap();
    assert_eq!(invite_error(g.redeem_invite(&op(), [3; 32], &by, now - 3_600_000).await), InviteError::Expired);
}

async fn one_of_many(node: &mut Node) {
    let g = &node.guardian;
    g.create_invite(&op(), [1; 32], i64::MAX).await.unwrap();
    let tries = (0..24).map(|i| {
        let g = g.clone();
        async move { g.redeem_invite(&op(), [1; 32], &node_id(&format!("b{}", i % 9 + 1)), clock::unix_ms()).await }
    });
    let done = futures::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(done.into_iter().filter(Result::is_err).all(|result| invite_error(result) == InviteError::Used));
}

async fn users(node: &mut Node) {
    let g = &node.guardian;
    assert_eq!(g.count_users().await.unwrap(), 0);
    let made = g.add_user_key(&op(), "mara", Role::Researcher, "ssh-ed25519 AAAA", "SHA256:one").await.unwrap();
    assert_eq!((made.name.as_str(), made.role, made.suspended), ("mara", Role::Researcher, false));
    g.add_user_key(&op(), "mara", Role::Admin, "ssh-ed25519 BBBB", "SHA256:two").await.unwrap();
    for key in ["SHA256:one", "SHA256:two"] {
        let found = g.user_by_key(key).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.role), ("mara", Role::Admin));
    }
    assert_eq!(g.user_by_key("SHA256:three").await.unwrap(), None);
    let refused = g.add_user_key(&op(), "eve", Role::Reader, "ssh-ed25519 AAAA", "SHA256:one").await.unwrap_err();
    assert!(matches!(refused, GuardianError::KeyTaken { .. }), "{refused}");
    assert_eq!(g.count_users().await.unwrap(), 1, "what was refused left nothing behind");
    let keys: Vec<_> =
        g.user_keys().await.unwrap().into_iter().map(|one| (one.fingerprint, one.user, one.role)).collect();
    assert_eq!(keys, ["SHA256:one", "SHA256:two"].map(|key| (key.to_owned(), "mara".to_owned(), Role::Admin)));
}

async fn taken_away(node: &mut Node) {
    let (g, later) = (&node.guardian, clock::unix_ms() + 60_000);
    for (key, text) in [("SHA256:one", "ssh-ed25519 AAAA"), ("SHA256:two", "ssh-ed25519 BBBB")] {
        g.add_user_key(&op(), "mara", Role::Admin, text, key).await.unwrap();
    }
    g.create_session(&op(), [1; 32], "mara", Role::Admin, "SHA256:one", later).await.unwrap();
    g.create_session(&op(), [2; 32], "mara", Role::Admin, "SHA256:two", later).await.unwrap();
    g.create_session(&op(), [3; 32], "mara", Role::Reader, "SHA256:two", later).await.unwrap();
    g.create_local_session(&op(), [4; 32], "mara", Role::Admin, "this machine's user", later).await.unwrap();
    let open = async || {
        let mut open = Vec::new();
        for n in 1..=4 {
            if g.session(&[n; 32]).await.unwrap().is_some() {
                open.push(n);
            }
        }
        open
    };
    for _ in 0..2 {
        g.remove_user_key(&op(), "SHA256:one").await.unwrap();
        assert_eq!(open().await, [2, 3, 4], "what the key opened has ended");
    }
    assert_eq!(g.user_by_key("SHA256:one").await.unwrap(), None);
    g.add_user_key(&op(), "mara", Role::Reader, "ssh-ed25519 BBBB", "SHA256:two").await.unwrap();
    assert_eq!(open().await, [3, 4], "a session of another role has ended, but not that of this machine's user");
}

async fn sessions(node: &mut Node) {
    let g = &node.guardian;
    let later = clock::unix_ms() + 60_000;
    let refused = g.create_session(&op(), [1; 32], "mara", Role::Admin, "SHA256:one", later).await.unwrap_err();
    assert!(matches!(refused, GuardianError::UserNotFound { .. }), "{refused}");
    g.add_user_key(&op(), "mara", Role::Admin, "ssh-ed25519 AAAA", "SHA256:one").await.unwrap();
    g.create_session(&op(), [1; 32], "mara", Role::Operator, "SHA256:one", later).await.unwrap();
    g.create_session(&op(), [2; 32], "mara", Role::Admin, "SHA256:one", clock::unix_ms() - 1).await.unwrap();
    let open = g.session(&[1; 32]).await.unwrap().unwrap();
    assert_eq!((open.user.as_str(), open.role, open.expires_ms), ("mara", Role::Operator, later));
    assert_eq!(g.session(&[2; 32]).await.unwrap(), None, "it has expired");
    assert_eq!(g.session(&[3; 32]).await.unwrap(), None);
    g.end_session(&op(), &[1; 32]).await.unwrap();
    g.end_session(&op(), &[1; 32]).await.unwrap();
    assert_eq!(g.session(&[1; 32]).await.unwrap(), None);
}
