//! What a client may send, and when.

use super::*;
use futures::future::poll_fn;
use futures::task::noop_waker_ref;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

const BOUNDS: Bounds = Bounds {
    head: 100,
    request: 200,
    ahead: 64,
    receive: Duration::from_secs(3600),
    send: Duration::from_secs(3600),
    linger: Duration::from_secs(3600),
};
/// What ends the first line of a head that is too long, and the head.
const ENDING: &str = " HTTP/1.0\r\n\r\n";

fn pair(bounds: Bounds, kernel: usize) -> (DuplexStream, Bounded<DuplexStream>) {
    let (client, server) = duplex(kernel);
    (client, Bounded::new(server, None, bounds))
}

/// What the HTTP code gets in one go: it reads until there is nothing at the moment.
fn gulp(stream: &mut Bounded<DuplexStream>) -> io::Result<String> {
    let (mut cx, mut out) = (Context::from_waker(noop_waker_ref()), Vec::new());
    loop {
        let mut space = [0; 4096];
        let mut buf = ReadBuf::new(&mut space);
        match Pin::new(&mut *stream).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => break,
            Poll::Ready(read) => read.map(|()| out.extend_from_slice(buf.filled()))?,
            Poll::Pending => break,
        }
    }
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn one_request_is_given_at_a_time() {
    let (mut client, mut server) = pair(BOUNDS, 1024);
    client.write_all(b"GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\nGET /c").await.unwrap();
    assert_eq!(gulp(&mut server).unwrap(), "GET /a HTTP/1.0\r\n\r\n");
    server.turn().received();
    server.turn().answered();
    assert_eq!(gulp(&mut server).unwrap(), "GET /b HTTP/1.0\r\n\r\n");
    assert_eq!(gulp(&mut server).unwrap(), "GET /c");
}

#[tokio::test]
async fn little_is_taken_while_an_answer_is_made() {
    let (mut client, mut server) = pair(BOUNDS, 1024);
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(gulp(&mut server).unwrap().len(), 18);
    server.turn().received();
    client.write_all(&[b'x'; 1000]).await.unwrap();
    let ahead: usize = (0..10).map(|_| gulp(&mut server).unwrap().len()).sum();
    assert_eq!(ahead, BOUNDS.ahead);
    server.turn().answered();
    let next = gulp(&mut server).unwrap();
    assert_eq!(next.strip_suffix(ENDING).unwrap().len(), BOUNDS.head, "then the next request may come");
}

#[tokio::test]
async fn heads_and_forms_have_their_bounds() {
    let (mut client, mut server) = pair(BOUNDS, 4096);
    client.write_all(b"POST / HTTP/1.1\r\nA: b\r\n\r\n").await.unwrap();
    let head = gulp(&mut server).unwrap().len();
    client.write_all(&[b'x'; 1000]).await.unwrap();
    let form: usize = (0..10).map(|_| gulp(&mut server).unwrap().len()).sum();
    assert_eq!(head + form, BOUNDS.request);
    let (mut client, mut server) = pair(BOUNDS, 4096);
    client.write_all(&[b'x'; 1000]).await.unwrap();
    assert_eq!(gulp(&mut server).unwrap().strip_suffix(ENDING).unwrap().len(), BOUNDS.head);
}

#[tokio::test]
async fn behind_a_head_that_was_cut_nothing_is_a_request() {
    let (mut client, mut server) = pair(BOUNDS, 4096);
    client.write_all(b"POST / HTTP/1.1\r\nA: b\r\n\r\na form of\ntwo lines").await.unwrap();
    assert!(gulp(&mut server).unwrap().ends_with("\r\n\r\n") && gulp(&mut server).unwrap().ends_with("lines"));
    server.turn().received();
    server.turn().answered();
    client.write_all(&[b'x'; 150]).await.unwrap();
    assert_eq!(gulp(&mut server).unwrap(), format!("{}{ENDING}", "x".repeat(BOUNDS.head)));
    assert_eq!(server.turn().cut_at(), Some(BOUNDS.head));
    server.turn().received();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(gulp(&mut server).unwrap(), "");
    server.turn().answered();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(gulp(&mut server).unwrap(), "");
    // the client is waited for until it has gone
    let mut cx = Context::from_waker(noop_waker_ref());
    assert!(Pin::new(&mut server).poll_shutdown(&mut cx).is_pending());
    drop(client);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_form_whose_head_came_during_an_answer_is_no_head() {
    let (mut client, mut server) = pair(BOUNDS, 4096);
    let form = "x".repeat(BOUNDS.head + 50);
    client.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
    gulp(&mut server).unwrap();
    server.turn().received();
    client.write_all(b"GET /b HTTP/1.1\r\n\r\nPOST /c HTTP/1.1\r\n\r\n").await.unwrap();
    let heads = [gulp(&mut server).unwrap(), gulp(&mut server).unwrap()];
    assert!(heads[0].starts_with("GET /b") && heads[1].starts_with("POST /c"), "{heads:?}");
    server.turn().answered();
    server.turn().received();
    server.turn().answered();
    client.write_all(form.as_bytes()).await.unwrap();
    assert_eq!((0..4).map(|_| gulp(&mut server).unwrap()).collect::<String>(), form);
    assert_eq!(server.turn().cut_at(), None);
    server.turn().received();
    server.turn().answered();
    client.write_all(&[b'x'; 150]).await.unwrap();
    assert_eq!(gulp(&mut server).unwrap().strip_suffix(ENDING).unwrap().len(), BOUNDS.head, "then a head begins");
}

#[tokio::test]
async fn who_was_told_that_its_head_is_too_long_is_not_waited_for_long() {
    let (mut client, mut server) = pair(Bounds { linger: Duration::from_millis(20), ..BOUNDS }, 4096);
    client.write_all(&[b'x'; 150]).await.unwrap();
    assert!(gulp(&mut server).unwrap().ends_with(ENDING));
    let turn = server.turn();
    turn.received();
    let mut sink = [0; 64];
    let mut buf = ReadBuf::new(&mut sink);
    let mut read = std::pin::pin!(poll_fn(|cx| Pin::new(&mut server).poll_read(cx, &mut buf)));
    let soon = tokio::time::timeout(Duration::from_millis(100), &mut read);
    assert!(soon.await.is_err(), "the answer is waited for, however long it takes");
    turn.answered();
    tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
    assert!(buf.filled().is_empty(), "it ends");
}

#[tokio::test]
async fn nothing_is_taken_while_answers_wait_to_be_taken() {
    let (mut client, mut server) = pair(BOUNDS, 16);
    client.write_all(b"GET /").await.unwrap();
    assert_eq!(server.write(&[b'x'; 100]).await.unwrap(), 16);
    let mut cx = Context::from_waker(noop_waker_ref());
    assert!(Pin::new(&mut server).poll_write(&mut cx, b"more").is_pending());
    assert_eq!(gulp(&mut server).unwrap(), "");
    tokio::io::AsyncReadExt::read_exact(&mut client, &mut [0; 16]).await.unwrap();
    server.write_all(b"more").await.unwrap();
    assert_eq!(gulp(&mut server).unwrap(), "GET /");
}

#[tokio::test]
async fn who_dawdles_is_let_go() {
    let hasty = Bounds { receive: Duration::from_millis(20), send: Duration::from_millis(20), ..BOUNDS };
    let (mut client, mut server) = pair(hasty, 16);
    client.write_all(b"GET /").await.unwrap();
    let mut sink = [0; 64];
    let mut read = async || {
        let mut buf = ReadBuf::new(&mut sink);
        poll_fn(|cx| Pin::new(&mut server).poll_read(cx, &mut buf)).await
    };
    read().await.unwrap();
    assert_eq!(read().await.unwrap_err().kind(), io::ErrorKind::TimedOut, "a request that never ends");

    let (_client, mut server) = pair(hasty, 16);
    let error = server.write_all(&[0; 100]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut, "an answer that is never read");
}
