//! This node and others: status, pairing, connections.

use crate::support::{Node, Person, Storage, eventually, hint, run, said};
use bib_proto::client::Client;
use bib_proto::v1::{
    ConnectNodeRequest, CreateInviteRequest, DisconnectNodeRequest, ForgetNodeRequest, GetNodeRequest, GetSelfRequest,
    JoinRequest, ListNodesRequest, SubscribeRequest, UnsubscribeRequest,
};
use tonic::Code;

#[test]
fn a_node_says_what_it_is() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let client = node.client(Person::Rita).await;
        let me = client.nodes().get_self(GetSelfRequest {}).await.unwrap().into_inner();
        let own = me.node.unwrap();
        assert_eq!(
            (own.id.as_str(), own.mode.as_str(), own.storage.as_str()),
            (node.identity.node_id().as_str(), "selective", "sqlite")
        );
        assert!(own.addresses.iter().any(|address| address.contains("/tcp/")), "{own:?}");
        assert_eq!((me.topics, me.database_runtime.as_str()), (1, "sqlite"));
        assert!(!me.storage_notice.is_empty(), "what SQLite cannot do");
        assert_eq!(me.tls_fingerprint, hex::encode(node.listening.tls_fingerprint));
    });
}

#[test]
fn two_nodes_pair_by_ticket_and_see_each_other() {
    run(async {
        let one = Node::made(1, Storage::Sqlite, |options| options.node_name = "one".into()).await;
        let two = Node::made(2, Storage::Sqlite, |_| ()).await;
        let (first, second) = (one.client(Person::Otto).await, two.client(Person::Otto).await);
        let request = CreateInviteRequest { ttl_seconds: 60, request_id: bib_kit::clock::new_request_id().to_string() };
        let invite = first.nodes().create_invite(request.clone()).await.unwrap().into_inner();
        let again = first.nodes().create_invite(request).await.unwrap().into_inner();
        assert_eq!(invite.ticket, again.ticket, "a retry gets the same ticket");
        let join = |ticket: &str| JoinRequest { ticket: ticket.to_owned(), ..Default::default() };
        let joined = second.nodes().join(join(&invite.ticket)).await.unwrap().into_inner().node.unwrap();
        assert_eq!((joined.id.as_str(), joined.paired), (one.identity.node_id().as_str(), true));
        for (client, other) in [(&first, &two), (&second, &one)] {
            eventually("they see each other", || async {
                let nodes = client
                    .nodes()
                    .list_nodes(ListNodesRequest { connected_only: true })
                    .await
                    .unwrap()
                    .into_inner()
                    .nodes;
                nodes.iter().any(|node| {
                    node.id == other.identity.node_id().as_str() && node.paired && !node.transport.is_empty()
                })
            })
            .await;
        }
        let short = one.identity.node_id().short().to_owned();
        let found = second.nodes().get_node(GetNodeRequest { id: short }).await.unwrap().into_inner().node.unwrap();
        assert_eq!(found.id, joined.id);
        let refused = second.nodes().join(join("bib1nonsense")).await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "BAD_TICKET".into()));
        let used = Node::made(3, Storage::Sqlite, |_| ()).await;
        let third = used.client(Person::Otto).await;
        let refused = third.nodes().join(join(&invite.ticket)).await.unwrap_err();
        assert_eq!(said(&refused), (Code::FailedPrecondition, "TICKET_REFUSED".into()), "{refused:?}");

        second.nodes().disconnect_node(DisconnectNodeRequest { id: joined.id.clone() }).await.unwrap();
        two.audited("node.disconnect", "ok").await;

        // a pairing that is undone stays undone, however often the other one calls
        let forget = ForgetNodeRequest { id: joined.id.clone(), request_id: String::new() };
        for _ in 0..2 {
            second.nodes().forget_node(forget.clone()).await.unwrap();
        }
        two.audited("peer.edit", "ok").await;
        let paired = async || {
            let nodes = second.nodes().list_nodes(ListNodesRequest { connected_only: false }).await.unwrap();
            nodes.into_inner().nodes.iter().any(|node| node.paired || node.connected)
        };
        eventually("it is gone", || async { !paired().await }).await;
        let again = ConnectNodeRequest { address: format!("{}/p2p/{}", two_at(&second).await, two.identity.node_id()) };
        // whether the call gets through or is turned away, it pairs nobody
        let _ = first.nodes().connect_node(again).await;
        eventually("the stranger is let go", || async { !paired().await }).await;
        assert!(two.guardian.peers().await.unwrap().is_empty());
    });
}

/// Where the node of this client listens for others.
async fn two_at(client: &Client) -> String {
    let own = client.nodes().get_self(GetSelfRequest {}).await.unwrap().into_inner().node.unwrap();
    own.addresses.into_iter().find(|address| address.contains("/tcp/")).unwrap()
}

#[test]
fn connections_to_nowhere_say_so() {
    run(async {
        let node = Node::start().await;
        let client = node.client(Person::Otto).await;
        let connect = |address: &str| ConnectNodeRequest { address: address.to_owned() };
        let refused = client.nodes().connect_node(connect("/ip4/nonsense")).await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "BAD_ADDRESS".into()));
        let refused = client.nodes().connect_node(connect("/ip4/127.0.0.1/tcp/1")).await.unwrap_err();
        assert_eq!(said(&refused), (Code::Unavailable, "PEER_UNREACHABLE".into()));
        node.audited("node.connect", "failed").await;
        let refused = client.nodes().get_node(GetNodeRequest { id: "nobody".into() }).await.unwrap_err();
        assert_eq!(said(&refused), (Code::NotFound, "NODE_NOT_FOUND".into()));
        assert_eq!(hint(&refused), "bib node list");
    });
}

#[test]
fn topics_are_subscribed_to_and_left() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let client = node.client(Person::Otto).await;
        let ask = |name: &str| SubscribeRequest { name: name.to_owned(), ..Default::default() };
        let topic = client.topics().subscribe(ask("weather")).await.unwrap().into_inner().topic.unwrap();
        assert!(topic.subscribed);
        let left = UnsubscribeRequest { name: "weather".into(), ..Default::default() };
        assert!(!client.topics().unsubscribe(left).await.unwrap().into_inner().topic.unwrap().subscribed);
        let refused = client.topics().subscribe(ask("nothing")).await.unwrap_err();
        assert_eq!(said(&refused), (Code::NotFound, "TOPIC_NOT_FOUND".into()));
        let create = bib_proto::v1::CreateTopicRequest { name: "weather".into(), ..Default::default() };
        let refused = client.topics().create_topic(create).await.unwrap_err();
        assert_eq!(said(&refused), (Code::AlreadyExists, "TOPIC_EXISTS".into()));
    });
}
