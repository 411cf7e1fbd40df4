//! Peers, invitations, people and sessions, on both databases.

use crate::catalog::{on, on_both};
use crate::support::{Backend, Node, node_id, op};
use bib_domain::Role;
use bib_guardian::{GuardianError, InviteError, PeerRow, PeersChanged};
use bib_kit::{Event, clock};

on_both!(peers, invites, one_of_many, users, sessions);

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
