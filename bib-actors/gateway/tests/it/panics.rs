//! The gateway dies in every way and comes back on the same ports; what was acknowledged stays.

use crate::support::{Item, Node, Person, download, eventually, run, said, upload};
use bib_kit::Exit;
use bib_kit::faults::Where;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{DownloadRequest, Entry, ListTopicsRequest, UploadHeader, UploadRequest};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

async fn reachable(node: &Node) -> bool {
    let rita = node.client(Person::Rita).await;
    rita.topics().list_topics(ListTopicsRequest::default()).await.is_ok()
}

#[test]
fn after_a_panic_it_binds_the_same_ports_and_keeps_what_was_acknowledged() {
    run(async {
        let mut node = Node::start().await;
        node.topic("lab").await;
        let items = [Item::file("a", "1")];
        let before = node.listening.clone();
        for (round, place) in [Where::Handler, Where::Spawned, Where::Task].into_iter().enumerate() {
            let rosa = node.client(Person::Rosa).await;
            let dataset = format!("lab/d{round}");
            upload(&rosa, &dataset, &items).await.unwrap();
            node.gateway.actor().inject_panic(place).unwrap();
            let report = node.gate.exited().await;
            assert!(matches!(&report.exit, Exit::Panicked(text) if text.contains("injected")), "{report:?}");
            assert!(!report.stale_work, "{report:?}");
            let cut = rosa.topics().list_topics(ListTopicsRequest::default()).await;
            assert!(cut.is_err(), "a connection outlived its incarnation");

            node.gate.start().await.unwrap();
            assert_eq!(node.gateway.listening().await.unwrap(), before);
            assert!(reachable(&node).await);
            // sessions are the guardian's: the same token is good at the new incarnation
            let got = download(&node.local().await, DownloadRequest { dataset, ..Default::default() }).await.unwrap();
            assert_eq!(got.items, items);
        }
    });
}

#[test]
fn a_panic_before_it_is_up_is_seen_and_the_next_start_works() {
    run(async {
        let mut node = Node::start().await;
        for place in [Where::Factory, Where::Started] {
            node.gateway.actor().inject_panic(place).unwrap();
            node.gate.stop().await;
            let report = node.gate.start().await.unwrap_err();
            assert!(matches!(report.exit, Exit::Panicked(_)), "{report:?}");
            node.gate.start().await.unwrap();
            assert!(reachable(&node).await);
        }
    });
}

#[test]
fn an_upload_that_is_cut_by_a_restart_leaves_nothing_and_can_be_sent_again() {
    run(async {
        let mut node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let (parts, stream) = mpsc::channel(4);
        let uploading = tokio::spawn(async move { rosa.datasets().upload(ReceiverStream::new(stream)).await });
        let message = |part| UploadRequest { part: Some(part) };
        let header = UploadHeader { dataset: "lab/d".into(), ..Default::default() };
        parts.send(message(Part::Header(header))).await.unwrap();
        let entry = Entry { path: "a".into(), kind: "file".into(), ..Default::default() };
        parts.send(message(Part::Entry(entry))).await.unwrap();
        for _ in 0..4 {
            parts.send(message(Part::Data(vec![3; 1 << 20]))).await.unwrap();
        }
        node.gateway.actor().inject_panic(Where::Handler).unwrap();
        let report = node.gate.exited().await;
        assert!(!report.stale_work, "{report:?}");
        let cut = tokio::time::timeout(Duration::from_secs(20), uploading).await.unwrap().unwrap().unwrap_err();
        assert!(matches!(cut.code(), Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled), "{cut:?}");
        node.gate.start().await.unwrap();
        assert_eq!(node.guardian.counts().await.unwrap().versions, 0);
        let rosa = node.client(Person::Rosa).await;
        assert!(upload(&rosa, "lab/d", &[Item::file("a", "1")]).await.unwrap().created);
    });
}

#[test]
fn an_orderly_stop_lets_calls_end_and_closes_the_door() {
    run(async {
        let mut node = Node::with(|options| options.connections.drain = Duration::from_secs(30)).await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items = [Item::file("big", vec![5; 4_000_000])];
        let running = upload(&rosa, "lab/d", &items);
        tokio::pin!(running);
        // let it begin
        assert!(futures::poll!(&mut running).is_pending());
        eventually("it is under way", || async {
            node.records().await.iter().any(|record| record.action == "topic.get" && record.actor == "user:rosa")
        })
        .await;
        let (made, report) = tokio::join!(running, node.gate.stop());
        assert_eq!(report.exit, Exit::Stopped);
        assert!(made.unwrap().created);
        assert!(!node.listening.socket.exists());
        assert!(tokio::net::TcpStream::connect(node.tcp()).await.is_err());
        node.gate.start().await.unwrap();
        assert!(reachable(&node).await);
    });
}

#[test]
fn when_the_guardian_is_away_calls_say_so() {
    run(async {
        let node = Node::start().await;
        let local = node.local().await;
        node.guardian.inject_panic(Where::Handler).unwrap();
        eventually("it is noticed", || async {
            let refused = local.topics().list_topics(ListTopicsRequest::default()).await;
            refused.is_err_and(|status| said(&status) == (Code::Unavailable, "ACTOR_RESTARTING".into()))
        })
        .await;
    });
}
