//! Calls of the pages are handed over within the process: through the gate, within their bound, ended by an orderly
//! stop as those of a connection are.

use crate::support::{Item, Node, Person, run, said, upload};
use bib_kit::Exit;
use bib_proto::client::{Client, ClientOptions, Credential, Take};
use bib_proto::v1::{DownloadRequest, DownloadResponse, ListTopicsRequest, download_response};
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Streaming};

const BYTES: usize = 8_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A client whose calls take the way of the pages, in the name of Rosa, who has uploaded something large.
async fn inside(node: &Node) -> Client {
    node.topic("lab").await;
    let mut rosa = node.anonymous().await;
    let path = Person::Rosa.write_key(&node.desk());
    let session = rosa.log_in(&Credential::File { path, passphrase: None }).await.unwrap();
    upload(&rosa, "lab/d", &[Item::file("big", vec![5; BYTES])]).await.unwrap();
    let door = node.door.clone();
    let take: Take = Arc::new(move |request| {
        let door = door.clone();
        Box::pin(async move { door.take(request).await })
    });
    let mut client = Client::handing_over(take, ClientOptions::default());
    client.use_session(&session).unwrap();
    client
}

async fn begun(client: &Client) -> Streaming<DownloadResponse> {
    let request = DownloadRequest { dataset: "lab/d".to_owned(), ..Default::default() };
    client.datasets().download(request).await.unwrap().into_inner()
}

async fn rest(mut parts: Streaming<DownloadResponse>) -> usize {
    let mut bytes = 0;
    while let Some(message) = parts.message().await.unwrap() {
        if let Some(download_response::Part::Data(data)) = message.part {
            bytes += data.len();
        }
    }
    bytes
}

#[test]
fn only_so_many_are_answered_at_a_time_and_others_wait() {
    run(async {
        let node = Node::with(|options| options.connections.streams = 2).await;
        let client = inside(&node).await;
        let (first, second) = (begun(&client).await, begun(&client).await);
        let waiting = client.clone();
        let third = tokio::spawn(async move { waiting.topics().list_topics(ListTopicsRequest::default()).await });
        // a call of somebody else gets through meanwhile
        node.local().await.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
        assert!(!third.is_finished(), "a third call was answered beside two");
        drop(first);
        let answer = tokio::time::timeout(PATIENCE, third).await.expect("a place is free").unwrap().unwrap();
        assert_eq!(answer.into_inner().topics.len(), 1);
        assert_eq!(rest(second).await, BYTES);
    });
}

#[test]
fn the_gate_is_the_same() {
    run(async {
        let node = Node::start().await;
        let door = node.door.clone();
        let take: Take = Arc::new(move |request| {
            let door = door.clone();
            Box::pin(async move { door.take(request).await })
        });
        let nobody = Client::handing_over(take, ClientOptions::default());
        let refused = nobody.topics().list_topics(ListTopicsRequest::default()).await.unwrap_err();
        assert_eq!(said(&refused), (Code::Unauthenticated, "NOT_LOGGED_IN".into()));
    });
}

#[test]
fn an_orderly_stop_lets_them_end_and_takes_no_more() {
    run(async {
        let mut node = Node::with(|options| options.connections.drain = Duration::from_secs(30)).await;
        let client = inside(&node).await;
        let held = begun(&client).await;
        let going_on = async {
            let refused = async {
                loop {
                    match client.topics().list_topics(ListTopicsRequest::default()).await {
                        Err(status) if status.code() == Code::Unavailable => return,
                        other => drop(other.unwrap()),
                    }
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(PATIENCE, refused).await.expect("new calls are refused");
            rest(held).await
        };
        let (report, bytes) = tokio::join!(node.gate.stop(), going_on);
        assert_eq!((report.exit, bytes), (Exit::Stopped, BYTES));
    });
}
