//! A client may break off as many answers as it likes: what was under way adds up to nothing that closes its connection.

use crate::support::{Item, Node, run, upload};
use bib_proto::client::Client;
use bib_proto::v1::{DownloadRequest, DownloadResponse, ListTopicsRequest};
use std::time::Duration;
use tonic::{Code, Status, Streaming};

/// More than the streams that HTTP/2 lets an end reset because of a fault of the other, over a connection's life: 1,024.
const CALLS: usize = 1_500;
/// More than one window, so that the node still sends when the client has turned away.
const LENGTH: usize = 1 << 20;
/// How long a place may take to be given back.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn answers_that_are_broken_off_add_up_to_nothing() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let client = node.local().await;
        upload(&client, "lab/d", &[Item::file("a.bin", vec![7; LENGTH])]).await.unwrap();
        for call in 0..CALLS {
            let mut parts = begun(&client).await.unwrap_or_else(|status| panic!("call {call}: {status}"));
            parts.message().await.unwrap_or_else(|status| panic!("call {call}: {status}"));
        }
        client.topics().list_topics(ListTopicsRequest::default()).await.unwrap();
    });
}

/// A download that has begun. A node that is busy with others may notice late that earlier ones were broken off; until then
/// these have all places.
async fn begun(client: &Client) -> Result<Streaming<DownloadResponse>, Status> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let asked = DownloadRequest { dataset: "lab/d".to_owned(), ..Default::default() };
        match client.datasets().download(asked).await {
            Err(status) if status.code() == Code::ResourceExhausted && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => return Ok(other?.into_inner()),
        }
    }
}
