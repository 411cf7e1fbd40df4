//! Pairing by ticket: what works, what is refused and how it is said, and that strangers get nothing.

use crate::support::{Fake, Manner, Node, Storage, op, run};
use bib_domain::NodeMode::Selective;
use bib_domain::ticket::Ticket;
use bib_proto::v1::CatalogRequest;
use bib_proto::v1::sync_request::Request;
use bib_replicator::ReplicatorError;
use bib_swarm::{SwarmError, protocols};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn two_nodes_pair_with_one_string() {
    run(async {
        let inviter = Node::start(1, Storage::Sqlite, Selective).await;
        let joiner = Node::start(2, Storage::Sqlite, Selective).await;
        let request = op();
        let invite = inviter.replicator.create_invite(&request, HOUR).await.unwrap();
        let again = inviter.replicator.create_invite(&request, HOUR).await.unwrap();
        assert_eq!(invite, again, "a repeated request gets the same ticket");
        let row = joiner.replicator.join(&op(), &invite.ticket, true).await.unwrap();
        assert_eq!((row.node_id.clone(), row.base, row.storage.as_str()), (inviter.id.clone(), true, "sqlite"));
        let of_inviter = inviter.guardian.peers().await.unwrap();
        assert_eq!(of_inviter.len(), 1);
        assert_eq!((&of_inviter[0].node_id, of_inviter[0].base), (&joiner.id, false));
        assert!(!of_inviter[0].addresses.is_empty() && !row.addresses.is_empty());
        assert!(inviter.audited("peer.upsert", joiner.id.as_str()).await);

        // joining twice is harmless; a third machine is refused
        joiner.replicator.join(&op(), &invite.ticket, true).await.unwrap();
        let third = Node::start(3, Storage::Sqlite, Selective).await;
        let error = third.replicator.join(&op(), &invite.ticket, false).await.unwrap_err();
        assert!(matches!(&error, ReplicatorError::PairingRefused { .. }), "{error:?}");
        assert!(error.to_string().contains("used before"), "{error}");
        assert!(inviter.audited("peer.pair", third.id.as_str()).await, "the refusal is recorded");
        assert!(third.guardian.peers().await.unwrap().is_empty());
        assert_eq!(inviter.guardian.peers().await.unwrap().len(), 1);
    });
}

#[test]
fn bad_tickets_are_told_apart() {
    run(async {
        let inviter = Node::start(1, Storage::Sqlite, Selective).await;
        let joiner = Node::start(2, Storage::Sqlite, Selective).await;
        let join = async |ticket: String| joiner.replicator.join(&op(), &ticket, false).await.unwrap_err();

        let invite = inviter.replicator.create_invite(&op(), HOUR).await.unwrap();
        let mut typo = invite.ticket.clone().into_bytes();
        typo[50] = if typo[50] == b'a' { b'b' } else { b'a' };
        let error = join(String::from_utf8(typo).unwrap()).await;
        assert!(matches!(error, ReplicatorError::Ticket(_)) && error.to_string().contains("typo"), "{error}");
        let error = join("hello".to_owned()).await;
        assert!(error.to_string().contains("bib invite"), "{error}");

        let own = joiner.replicator.create_invite(&op(), HOUR).await.unwrap();
        assert!(matches!(join(own.ticket).await, ReplicatorError::OwnTicket));

        let good: Ticket = invite.ticket.parse().unwrap();
        let expired = Ticket::new(good.node().clone(), good.addresses().to_vec(), *good.secret(), 1000);
        assert!(matches!(join(expired.encode()).await, ReplicatorError::TicketExpired { .. }));

        let forged = Ticket::new(good.node().clone(), good.addresses().to_vec(), [9; 32], good.expires_ms());
        let error = join(forged.encode()).await;
        assert!(matches!(&error, ReplicatorError::PairingRefused { .. }), "{error:?}");
        assert!(error.to_string().contains("not known"), "{error}");
        assert!(inviter.audited("peer.pair", joiner.id.as_str()).await);

        let away = vec!["/ip4/127.0.0.1/tcp/9".to_owned()];
        let fourth = Node::start(4, Storage::Sqlite, Selective).await;
        let unreachable = Ticket::new(inviter.id.clone(), away, *good.secret(), good.expires_ms());
        let error = fourth.replicator.join(&op(), &unreachable.encode(), false).await.unwrap_err();
        assert!(matches!(error, ReplicatorError::Unreachable { .. }), "{error}");

        let error = inviter.replicator.create_invite(&op(), HOUR * 24 * 365).await.unwrap_err();
        assert!(matches!(error, ReplicatorError::BadLifetime { .. }), "{error}");
        assert!(inviter.guardian.peers().await.unwrap().is_empty(), "nobody was paired");
    });
}

#[test]
fn the_inviter_decides_by_its_own_clock_and_limits_guesses() {
    run(async {
        let inviter = Node::start(1, Storage::Sqlite, Selective).await;
        let stranger = Fake::start(9, Manner::Honest, &[]).await;
        let short = inviter.replicator.create_invite(&op(), Duration::from_millis(1)).await.unwrap();
        let ticket: Ticket = short.ticket.parse().unwrap();
        crate::support::eventually("the ticket expires", || async { bib_kit::clock::unix_ms() > ticket.expires_ms() })
            .await;
        let response = stranger.show(&ticket, ticket.secret()).await;
        assert!(!response.accepted && response.reason.contains("expired"), "{}", response.reason);
        for _ in 0..5 {
            let response = stranger.show(&ticket, &[3; 32]).await;
            assert!(!response.accepted && response.reason.contains("not known"), "{}", response.reason);
        }
        let good = inviter.replicator.create_invite(&op(), HOUR).await.unwrap();
        let good: Ticket = good.ticket.parse().unwrap();
        let response = stranger.show(&good, good.secret()).await;
        assert!(!response.accepted && response.reason.contains("wait a minute"), "{}", response.reason);
    });
}

#[test]
fn a_pairing_is_undone_also_while_the_swarm_restarts() {
    run(async {
        let mut node = Node::start(1, Storage::Sqlite, Selective).await;
        let peer = Fake::start(9, Manner::Honest, &[]).await;
        peer.join(&node).await;
        assert_eq!(node.guardian.peers().await.unwrap().len(), 1);
        node.swarm_guard.abort().await;
        node.replicator.forget(&op(), &peer.id).await.unwrap();
        assert!(node.guardian.peers().await.unwrap().is_empty());
    });
}

#[test]
fn strangers_get_nothing_and_sqlite_nodes_serve_nobody() {
    run(async {
        let node = Node::start(1, Storage::Sqlite, Selective).await;
        node.topic("secrets").await;
        node.publish("secrets/one", 1, 100_000).await;
        let stranger = Fake::start(9, Manner::Honest, &[]).await;
        let address = node.swarm.listen_addrs().await.unwrap().remove(0);
        stranger.swarm.dial(&address).await.unwrap();
        for protocol in [protocols::SYNC, protocols::DATA] {
            let refused = stranger.swarm.open_stream(&node.id, protocol).await;
            assert!(matches!(refused, Err(SwarmError::Refused { .. })), "{protocol}");
        }
        stranger.join(&node).await;
        let answer = stranger.ask(&node.id, Request::Catalog(CatalogRequest { after: 0, page_size: 10 })).await;
        let bib_proto::v1::sync_response::Response::Error(error) = answer else { panic!("{answer:?}") };
        assert_eq!(error.code, "not-serving");
        assert!(error.message.contains("untrusted-storage"), "{}", error.message);
    });
}
