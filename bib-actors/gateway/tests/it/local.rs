//! The Unix socket: who is on this machine is known by the kernel.

use crate::support::{Node, Person, run, said};
use bib_proto::client::{Address, Client, ClientOptions, Trust, TrustStore};
use bib_proto::v1::{ListTopicsRequest, WhoAmIRequest};
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_owner_is_an_administrator_without_login() {
    run(async {
        let node = Node::start().await;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&node.listening.socket), 0o600);
        assert_eq!(mode(node.listening.socket.parent().unwrap()), 0o700);
        let me = node.local().await.auth().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
        assert!(me.user.starts_with("local:") && me.user.len() > 6, "{}", me.user);
        assert_eq!((me.role.as_str(), me.method.as_str()), ("admin", "socket"));
    });
}

#[test]
fn a_token_on_the_socket_is_who_it_says() {
    run(async {
        let node = Node::start().await;
        let mut client = node.local().await;
        node.log_in(&mut client, Person::Rita).await.unwrap();
        let me = client.auth().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
        assert_eq!((me.user.as_str(), me.role.as_str()), ("rita", "reader"));
    });
}

#[test]
fn a_long_data_directory_works_too() {
    run(async {
        let long = "d".repeat(60);
        let node = Node::with(|options| {
            let dir = options.data_dir.join(&long).join(&long);
            std::fs::create_dir_all(&dir).unwrap();
            options.data_dir = dir;
        })
        .await;
        assert!(node.listening.socket.as_os_str().len() <= 107);
        node.local().await.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
        let socket = node.listening.socket.clone();
        let word = node.dir().join(&long).join(&long).join("run/socket-path");
        assert_eq!(std::fs::read_to_string(word).unwrap().trim(), socket.to_str().unwrap());
        node.stop().await;
        assert!(!socket.exists(), "the socket is gone with the node");
        drop(std::fs::remove_dir(socket.parent().unwrap()));
    });
}

#[test]
fn a_socket_of_a_crash_is_replaced_and_a_living_one_is_not() {
    run(async {
        let node = Node::with(|options| {
            let run = options.data_dir.join("run");
            std::fs::create_dir_all(&run).unwrap();
            drop(std::os::unix::net::UnixListener::bind(run.join("bib.sock")).unwrap());
        })
        .await;
        let client = node.local().await;
        client.topics().list_topics(ListTopicsRequest::default()).await.unwrap();

        // a second node on the same directory does not take it over
        let dir = node.dir();
        let deadline = std::time::Duration::from_millis(200);
        let refused = std::panic::AssertUnwindSafe(Node::with(|options| {
            options.data_dir = dir;
            options.grpc_listen = Vec::new();
            options.connections.bind_patience = deadline;
        }));
        use futures::FutureExt;
        assert!(refused.catch_unwind().await.is_err());
        client.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
        node.local().await.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
    });
}

#[test]
fn a_wrong_token_is_not_helped_by_the_socket() {
    run(async {
        let node = Node::start().await;
        let address = Address::Unix(node.listening.socket.clone());
        let store = TrustStore::at(node.desk().join("none"));
        let mut client = Client::connect(&address, &store, Trust::KnownOnly, ClientOptions::default()).await.unwrap();
        let session = bib_proto::client::Session {
            token: "bibs_made-up".into(),
            expires_ms: i64::MAX,
            user: "ada".into(),
            role: "admin".into(),
        };
        client.use_session(&session).unwrap();
        let refused = client.topics().list_topics(ListTopicsRequest::default()).await.unwrap_err();
        assert_eq!(said(&refused).1, "SESSION_EXPIRED");
    });
}
