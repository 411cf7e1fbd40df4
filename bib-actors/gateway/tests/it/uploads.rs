//! Uploads that are refused, given up, repeated, or come at the same time: nothing half is ever seen.

use crate::support::{Item, Node, Person, download, eventually, hint, run, said, send, upload, upload_parts};
use bib_kit::clock;
use bib_proto::client::Client;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{DownloadRequest, Entry, UploadEnd, UploadHeader, UploadRequest, UploadResponse};
use futures::stream;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

fn header(dataset: &str) -> UploadHeader {
    UploadHeader { dataset: dataset.to_owned(), ..Default::default() }
}

async fn counts(node: &Node) -> (u64, u64) {
    let counts = node.guardian.counts().await.unwrap();
    (counts.datasets, counts.versions)
}

#[test]
fn a_topic_that_is_not_there_is_named_with_the_way_out() {
    run(async {
        let node = Node::start().await;
        let rosa = node.client(Person::Rosa).await;
        let refused = upload(&rosa, "weather/all", &[Item::file("x", "1")]).await.unwrap_err();
        assert_eq!(said(&refused), (Code::NotFound, "TOPIC_NOT_FOUND".into()));
        assert_eq!(hint(&refused), "bib topic create weather");
    });
}

#[test]
fn broken_tables_are_refused_and_everything_stays_as_it_was() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let good = upload(&rosa, "lab/d", &[Item::file("t.csv", "a,b\n1,2\n")]).await.unwrap().version.unwrap();
        let before = counts(&node).await;

        let ragged = [Item::file("t.csv", "a,b\n1,2\n1,2,3\n")];
        let refused = upload(&rosa, "lab/d", &ragged).await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "BROKEN_TABLE".into()));
        assert!(refused.message().contains("line 3 of t.csv"), "{}", refused.message());
        assert!(hint(&refused).contains("--allow-broken-tables"));
        let truncated = [Item::file("t.parquet", &b"PAR1\x15\x04\x15\x20\x15\x24"[..])];
        let refused = upload(&rosa, "lab/d", &truncated).await.unwrap_err();
        assert_eq!(said(&refused).1, "BROKEN_TABLE");
        assert!(refused.message().contains("t.parquet"), "{}", refused.message());
        assert_eq!(counts(&node).await, before);
        let latest = download(&rosa, DownloadRequest { dataset: "lab/d".into(), ..Default::default() }).await.unwrap();
        assert_eq!(latest.version.id, good.id);

        // kept as plain bytes when that is asked for
        let keep = UploadHeader { allow_broken_tables: true, ..header("lab/d") };
        let kept = send(&rosa, upload_parts(keep, &ragged)).await.unwrap().version.unwrap();
        let got = download(&rosa, DownloadRequest { dataset: "lab/d".into(), ..Default::default() }).await.unwrap();
        assert_eq!((got.version.id, &got.items[..]), (kept.id, &ragged[..]));
        assert!(got.entries[0].schema.is_none());
    });
}

#[test]
fn the_same_content_makes_no_new_version() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items = [Item::file("a", "1"), Item::symlink("l", "a")];
        let first = upload(&rosa, "lab/d", &items).await.unwrap();
        let again = upload(&rosa, "lab/d", &items).await.unwrap();
        assert!(first.created && !again.created);
        assert_eq!(again.version.unwrap().id, first.version.unwrap().id);
        assert_eq!(again.new_bytes, 0);
        let mut other = items.clone();
        other[0].mode = 0o600;
        assert!(upload(&rosa, "lab/d", &other).await.unwrap().created, "another mode is another content");
    });
}

#[test]
fn a_retry_with_the_same_request_id_gets_the_first_version() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let id = clock::new_request_id().to_string();
        let with_id = || UploadHeader { request_id: id.clone(), ..header("lab/d") };
        let items = [Item::file("a", "1")];
        let first = send(&rosa, upload_parts(with_id(), &items)).await.unwrap().version.unwrap();
        let lost = send(&rosa, upload_parts(with_id(), &items)).await.unwrap();
        assert!(lost.created, "the answer that was lost is given again, and recorded");
        assert_eq!(lost.version.unwrap().id, first.id);
        upload(&rosa, "lab/d", &[Item::file("a", "2")]).await.unwrap();
        let again = send(&rosa, upload_parts(with_id(), &items)).await.unwrap().version.unwrap();
        assert_eq!(again.id, first.id);
        // what came with it this time is in no version, and must not be taken for kept
        let refused = send(&rosa, upload_parts(with_id(), &[Item::file("a", "3")])).await.unwrap_err();
        assert_eq!(said(&refused), (Code::FailedPrecondition, "REQUEST_ID_REUSED".into()));
        assert!(refused.message().contains("version 1 of lab/d"), "{}", refused.message());
        assert_eq!(counts(&node).await, (1, 2));
        let bad = UploadHeader { request_id: "no uuid".into(), ..header("lab/d") };
        assert_eq!(said(&send(&rosa, upload_parts(bad, &items)).await.unwrap_err()).1, "BAD_REQUEST_ID");
    });
}

#[test]
fn a_client_that_vanishes_leaves_nothing() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let (parts, stream) = mpsc::channel(4);
        let uploading = tokio::spawn(async move { rosa.datasets().upload(ReceiverStream::new(stream)).await });
        let message = |part| UploadRequest { part: Some(part) };
        parts.send(message(Part::Header(header("lab/d")))).await.unwrap();
        let entry = Entry { path: "a".into(), kind: "file".into(), mode: 0o644, ..Default::default() };
        parts.send(message(Part::Entry(entry))).await.unwrap();
        for _ in 0..8 {
            parts.send(message(Part::Data(vec![7; 1 << 20]))).await.unwrap();
        }
        uploading.abort();
        drop(uploading.await);
        // its place is free again once the node has noticed
        let other = node.client(Person::Rosa).await;
        upload(&other, "lab/e", &[Item::file("x", "1")]).await.unwrap();
        assert_eq!(counts(&node).await, (1, 1));
        assert!(download(&other, DownloadRequest { dataset: "lab/d".into(), ..Default::default() }).await.is_err());
        let tmp = node.dir().join("blobs/tmp");
        eventually("temporary files are gone", || async { std::fs::read_dir(&tmp).map_or(0, Iterator::count) == 0 })
            .await;
    });
}

async fn refused_parts(client: &Client, parts: Vec<Part>) -> (Code, String) {
    said(&send(client, parts).await.unwrap_err())
}

#[test]
fn messages_that_make_no_sense_are_refused() {
    run(async {
        let node = Node::with(|options| options.transfers.upload_message = 1000).await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let file = |path: &str, size| {
            Part::Entry(Entry { path: path.into(), kind: "file".into(), size, ..Default::default() })
        };
        let data = |length: usize| Part::Data(vec![1; length]);
        let end = |entries, bytes| Part::End(UploadEnd { entries, bytes });
        let start = || Part::Header(header("lab/d"));
        let cases: Vec<(&str, Vec<Part>)> = vec![
            ("UPLOAD_ORDER", vec![]),
            ("UPLOAD_ORDER", vec![file("a", 0)]),
            ("UPLOAD_ORDER", vec![start(), start()]),
            ("UPLOAD_ORDER", vec![start(), data(1)]),
            ("UPLOAD_ORDER", vec![start(), file("a", 0), data(1)]),
            ("UPLOAD_TRUNCATED", vec![start(), file("a", 0), data(1), end(1, 2)]),
            ("UPLOAD_TRUNCATED", vec![start(), file("a", 0), data(1), end(2, 1)]),
            ("FILE_CHANGED", vec![start(), file("a", 5), data(4), end(1, 4)]),
            ("MESSAGE_TOO_LARGE", vec![start(), file("a", 0), data(1001), end(1, 1001)]),
            ("BAD_PATH", vec![start(), file("../a", 0), end(1, 0)]),
            ("BAD_PATH", vec![start(), file("/etc/passwd", 0), end(1, 0)]),
            ("BAD_PATH", vec![start(), file("a", 0), file("a", 0), end(2, 0)]),
            ("BAD_PATH", vec![start(), file("a", 0), file("a/b", 0), end(2, 0)]),
            ("BAD_NAME", vec![Part::Header(header("no-topic")), end(0, 0)]),
            ("BAD_NAME", vec![Part::Header(header("Lab/../x")), end(0, 0)]),
        ];
        for (n, (reason, parts)) in cases.into_iter().enumerate() {
            assert_eq!(refused_parts(&rosa, parts).await, (Code::InvalidArgument, reason.into()), "case {n}");
        }
        let link = Part::Entry(Entry {
            path: "l".into(),
            kind: "symlink".into(),
            target: "../../etc".into(),
            ..Default::default()
        });
        assert_eq!(refused_parts(&rosa, vec![start(), link, end(1, 0)]).await.1, "BAD_PATH");
        let fifo = Part::Entry(Entry { path: "f".into(), kind: "fifo".into(), ..Default::default() });
        assert_eq!(refused_parts(&rosa, vec![start(), fifo, end(1, 0)]).await.1, "BAD_ENTRY");
        let wrong = Entry { path: "h".into(), kind: "file".into(), content_hash: "0".repeat(64), ..Default::default() };
        assert_eq!(
            refused_parts(&rosa, vec![start(), Part::Entry(wrong), data(3), end(1, 3)]).await.1,
            "CONTENT_MISMATCH"
        );
        assert_eq!(counts(&node).await, (0, 0));
        let empty = stream::iter([UploadRequest { part: None }]);
        assert_eq!(said(&rosa.datasets().upload(empty).await.unwrap_err()).1, "UPLOAD_ORDER");
    });
}

#[test]
fn uploads_at_the_same_time_get_numbers_one_after_the_other() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let uploads = (0..6).map(|n| {
            let rosa = rosa.clone();
            async move { upload(&rosa, "lab/d", &[Item::file("n", n.to_string())]).await }
        });
        let made: Result<Vec<UploadResponse>, Status> = futures::future::join_all(uploads).await.into_iter().collect();
        let mut versions: Vec<_> = made.unwrap().into_iter().map(|made| made.version.unwrap()).collect();
        versions.sort_by_key(|version| version.number);
        assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert!(
            versions.windows(2).all(|pair| pair[1].parents == [pair[0].id.clone()]),
            "each is made from the one before"
        );
    });
}

#[test]
fn only_so_many_uploads_at_a_time_and_none_sleeps_for_ever() {
    run(async {
        let node = Node::with(|options| {
            options.transfers.uploads = 1;
            options.transfers.upload_idle = Duration::from_secs(8);
        })
        .await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let (parts, stream) = mpsc::channel(4);
        let sleeper = rosa.clone();
        let sleeping = tokio::spawn(async move { sleeper.datasets().upload(ReceiverStream::new(stream)).await });
        parts.send(UploadRequest { part: Some(Part::Header(header("lab/d"))) }).await.unwrap();
        eventually("the place is taken", || async {
            node.records().await.iter().any(|record| record.action == "topic.get" && record.actor == "user:rosa")
        })
        .await;
        let refused = upload(&rosa, "lab/e", &[Item::file("x", "1")]).await.unwrap_err();
        assert_eq!(said(&refused), (Code::ResourceExhausted, "NODE_BUSY".into()));
        let ended = sleeping.await.unwrap().unwrap_err();
        assert_eq!(said(&ended), (Code::DeadlineExceeded, "UPLOAD_STALLED".into()));
        eventually("the place is free", || async { upload(&rosa, "lab/e", &[Item::file("x", "1")]).await.is_ok() })
            .await;
    });
}
