//! Files that a program on the node's machine passes open, and that the node reads itself.

use crate::support::{Item, Node, Person, download, eventually, hint, run, said, send};
use bib_proto::client::{Client, FilePasser};
use bib_proto::passing::{Ticket, socket_beside};
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{DownloadRequest, Entry, PassedFile, UploadEnd, UploadHeader, UploadRequest, UploadResponse};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tonic::{Code, Status};

const NAME: &str = "lab/d";

fn noise(size: usize) -> Vec<u8> {
    (0..size as u64).map(|n| ((n * n * 7) >> 9).to_le_bytes()[0]).collect()
}

fn written(node: &Node, name: &str, bytes: &[u8]) -> PathBuf {
    let path = node.desk().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn connect(node: &Node) -> FilePasser {
    FilePasser::connect(&node.listening.socket).unwrap()
}

/// Calls that block, on a thread that may.
async fn blocking<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(call).await.unwrap()
}

async fn pass(mut passer: FilePasser, file: File) -> (FilePasser, Option<Ticket>) {
    blocking(move || {
        let ticket = passer.pass(&file).unwrap();
        (passer, ticket)
    })
    .await
}

/// What is told of a file until all of it is read. What came between may be told or not.
fn to_end(passer: &mut FilePasser) -> Vec<(u64, bool)> {
    let mut counts = Vec::new();
    loop {
        let now = passer.progress().unwrap();
        counts.push(now);
        if now.1 {
            return counts;
        }
    }
}

fn entry(path: &str, size: u64) -> Part {
    Part::Entry(Entry { path: path.into(), kind: "file".into(), size, mode: 0o644, ..Default::default() })
}

fn passed(ticket: Ticket) -> Part {
    Part::Passed(PassedFile { ticket: ticket.to_vec() })
}

/// Uploads one file that was passed, which says that it has `size` bytes.
async fn one(client: &Client, ticket: Ticket, size: u64) -> Result<UploadResponse, Status> {
    let header = UploadHeader { dataset: NAME.to_owned(), ..Default::default() };
    let end = UploadEnd { entries: 1, bytes: size };
    send(client, vec![Part::Header(header), entry("f.bin", size), passed(ticket), Part::End(end)]).await
}

async fn versions(node: &Node) -> u64 {
    node.guardian.counts().await.unwrap().versions
}

/// Passes the file and uploads it.
async fn upload(node: &Node, path: &Path, size: u64) -> Result<UploadResponse, Status> {
    let (_passer, ticket) = pass(connect(node), File::open(path).unwrap()).await;
    one(&node.local().await, ticket.unwrap(), size).await
}

#[test]
fn files_that_are_passed_are_as_if_they_had_been_sent() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let socket = socket_beside(&node.listening.socket);
        assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        let items = [Item::file("a.bin", noise(9_000_001)), Item::file("b.txt", "few"), Item::file("c.bin", noise(5))];
        let mut first = File::open(written(&node, "a", &items[0].bytes)).unwrap();
        let second = File::open(written(&node, "c", &items[2].bytes)).unwrap();
        first.seek(SeekFrom::Start(77)).unwrap(); // where its owner stands in it is nothing to the node

        let (parts, stream) = tokio::sync::mpsc::channel(8);
        let local = node.local().await;
        let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
        let upload = tokio::spawn(async move { local.datasets().upload(stream).await });
        let mut passer = connect(&node);
        let counts = blocking(move || {
            let put = |part| parts.blocking_send(UploadRequest { part: Some(part) }).unwrap();
            put(Part::Header(UploadHeader { dataset: NAME.to_owned(), ..Default::default() }));
            put(entry("a.bin", 9_000_001));
            put(passed(passer.pass(&first).unwrap().unwrap()));
            let counts = to_end(&mut passer);
            put(entry("b.txt", 3));
            put(Part::Data(b"few".to_vec()));
            put(entry("c.bin", 5));
            put(passed(passer.pass(&second).unwrap().unwrap()));
            assert_eq!(to_end(&mut passer).last(), Some(&(5, true)));
            put(Part::End(UploadEnd { entries: 3, bytes: 9_000_009 }));
            counts
        })
        .await;
        assert!(counts.is_sorted() && counts.last() == Some(&(9_000_001, true)), "{counts:?}");
        let answer = upload.await.unwrap().unwrap().into_inner();
        assert_eq!((answer.version.unwrap().files, answer.created), (3, true));
        let got = download(&node.local().await, DownloadRequest { dataset: NAME.into(), ..Default::default() }).await;
        assert_eq!(got.unwrap().items, items);
    });
}

#[test]
fn a_file_that_is_not_as_long_as_it_says_is_not_taken() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let path = written(&node, "f", &noise(3_000_000));
        for said_size in [2_999_999, 3_000_001, 1, 3_000_000 + (64 << 20), u64::MAX] {
            let refused = upload(&node, &path, said_size).await.unwrap_err();
            assert_eq!(said(&refused), (Code::InvalidArgument, "FILE_CHANGED".into()), "{}", refused.message());
        }
        let (_passer, ticket) = pass(connect(&node), File::open(&path).unwrap()).await;
        let sizeless = one(&node.local().await, ticket.unwrap(), 0).await.unwrap_err();
        assert_eq!(said(&sizeless).1, "UPLOAD_ORDER");
        assert_eq!(versions(&node).await, 0);
        assert!(upload(&node, &path, 3_000_000).await.unwrap().created);
    });
}

#[test]
fn a_ticket_is_good_once_and_for_whoever_passed_the_file() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let path = written(&node, "f", &noise(2_000_000));
        let none = (Code::InvalidArgument, "NO_SUCH_FILE".to_owned());
        let local = node.local().await;
        let refused = one(&local, [7; 16], 2_000_000).await.unwrap_err();
        assert_eq!((said(&refused), hint(&refused)), (none.clone(), "send the file's bytes instead".into()));

        let (passer, ticket) = pass(connect(&node), File::open(&path).unwrap()).await;
        let ticket = ticket.unwrap();
        let far = one(&node.client(Person::Rosa).await, ticket, 2_000_000).await.unwrap_err();
        assert_eq!(said(&far), none, "somebody from elsewhere names it");
        assert!(one(&local, ticket, 2_000_000).await.unwrap().created);
        assert_eq!(said(&one(&local, ticket, 2_000_000).await.unwrap_err()), none, "a second time");
        drop(passer);

        // a file goes when the program that passed it does
        let (passer, ticket) = pass(connect(&node), File::open(&path).unwrap()).await;
        drop(passer);
        let ticket = ticket.unwrap();
        let gone = || async { one(&local, ticket, 2_000_000).await.is_err_and(|status| said(&status) == none) };
        eventually("the file is gone", gone).await;
    });
}

#[test]
fn what_is_no_file_is_not_taken() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let (passer, ticket) = pass(connect(&node), File::open(node.desk()).unwrap()).await;
        assert_eq!(ticket, None, "a folder");
        let pipe = std::io::pipe().unwrap();
        let (passer, ticket) = pass(passer, File::from(std::os::fd::OwnedFd::from(pipe.0))).await;
        assert_eq!(ticket, None, "a pipe");
        let path = written(&node, "f", &noise(2_000_000));
        let (passer, ticket) = pass(passer, File::open(&path).unwrap()).await;
        assert!(ticket.is_some(), "the connection is as good as before");
        drop(passer);

        let (_passer, ticket) = pass(connect(&node), File::options().append(true).open(&path).unwrap()).await;
        let refused = one(&node.local().await, ticket.unwrap(), 2_000_000).await.unwrap_err();
        assert_eq!(said(&refused), (Code::InvalidArgument, "FILE_UNREADABLE".into()), "{}", refused.message());
        assert_eq!(versions(&node).await, 0);
    });
}

#[test]
fn an_upload_that_ends_lets_go_of_the_program() {
    run(async {
        let node = Node::start().await;
        let path = written(&node, "f", &noise(2_000_000));
        // there is no such topic, so nobody will ever ask for the file: the program ends its connection itself
        let (mut passer, ticket) = pass(connect(&node), File::open(&path).unwrap()).await;
        let hangup = passer.hangup().unwrap();
        let waiting = tokio::task::spawn_blocking(move || passer.progress());
        assert_eq!(said(&one(&node.local().await, ticket.unwrap(), 2_000_000).await.unwrap_err()).1, "TOPIC_NOT_FOUND");
        hangup.hang_up();
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);

        // one that fails in the middle of a file ends the connection
        node.topic("lab").await;
        let (mut passer, ticket) = pass(connect(&node), File::options().append(true).open(&path).unwrap()).await;
        let waiting = tokio::task::spawn_blocking(move || passer.progress());
        one(&node.local().await, ticket.unwrap(), 2_000_000).await.unwrap_err();
        assert_eq!(waiting.await.unwrap().unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn nonsense_and_crowds_take_no_place_from_others() {
    run(async {
        let node = Node::with(|options| options.connections.passing = 2).await;
        node.topic("lab").await;
        let socket = socket_beside(&node.listening.socket);
        // nonsense, a byte without a file, silence
        for bytes in [&b"PRI * HTTP/2.0"[..], b"f", b""] {
            let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
            stream.write_all(bytes).unwrap();
        }
        let path = written(&node, "f", &noise(2_000_000));
        let admitted = || {
            let (socket, path) = (node.listening.socket.clone(), path.clone());
            let pass = move || -> std::io::Result<FilePasser> {
                let mut passer = FilePasser::connect(&socket)?;
                passer.pass(&File::open(path)?)?;
                Ok(passer)
            };
            blocking(pass)
        };
        let held = Mutex::new(Vec::new());
        eventually("whoever talks nonsense has given up its place", || async {
            let admitted = admitted().await;
            let mut held = held.lock().unwrap();
            held.extend(admitted);
            held.len() == 2
        })
        .await;
        assert!(admitted().await.is_err(), "no place: it is told so at once, and sends the bytes");
        drop(held);
        eventually("there is a place again", || async { admitted().await.is_ok() }).await;
    });
}
