//! A stream that gives and takes no more than the bounds of its connection allow.

use super::place::Place;
use super::seam::Seam;
use super::turn::Turn;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// The bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes of the head of a request.
    pub(crate) head: usize,
    /// Bytes of a whole request.
    pub(crate) request: usize,
    /// Bytes that are taken in while a request is being answered.
    pub(crate) ahead: usize,
    /// How long a whole request may take to come in.
    pub(crate) receive: Duration,
    /// How long a client may take nothing of what waits for it.
    pub(crate) send: Duration,
    /// How long a client whose request was cut may take to go.
    pub(crate) linger: Duration,
}

/// A timer of the turn with this number.
type Late = (u64, Pin<Box<Sleep>>);

/// The stream. Both of its sides belong to one task, as actix-http has it.
pub(crate) struct Bounded<S> {
    inner: S,
    /// Given back with the connection.
    _place: Option<Place>,
    /// Ready when somebody else needs the place.
    leave: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    bounds: Bounds,
    turn: Turn,
    /// What was read and not given yet: `inbox[at..filled]`.
    inbox: Box<[u8]>,
    at: usize,
    filled: usize,
    seam: Seam,
    /// What ends a head that is too long, as far as it was not given yet.
    ending: &'static [u8],
    /// Bytes that were dropped behind such a head.
    dropped: usize,
    /// A head has ended: the request is looked at before anything else is given.
    pause: bool,
    /// Runs while the client sends a request.
    late: Option<Late>,
    /// Runs while the client takes nothing of what waits for it.
    stuck: Option<Pin<Box<Sleep>>>,
    /// Runs while a client whose request was cut may go.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<S> Bounded<S> {
    pub(crate) fn new(inner: S, place: Option<Place>, bounds: Bounds) -> Self {
        let leave = place.as_ref().map(|place| Box::pin(place.leave().clone().cancelled_owned()));
        Self {
            inner,
            turn: Turn::of(place.as_ref()),
            _place: place,
            leave,
            bounds,
            inbox: vec![0; bounds.ahead].into_boxed_slice(),
            at: 0,
            filled: 0,
            seam: Seam::default(),
            ending: &[],
            dropped: 0,
            pause: false,
            late: None,
            stuck: None,
            linger: None,
        }
    }

    /// Whose turn it is.
    pub(crate) fn turn(&self) -> Turn {
        self.turn.clone()
    }

    /// An error once somebody else needs the place.
    fn check_place(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let left = self.leave.as_mut().is_some_and(|leave| leave.as_mut().poll(cx).is_ready());
        if left { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// An error once the present request takes too long to come in.
    fn check_late(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(now) = self.turn.receiving() else {
            self.late = None;
            return Ok(());
        };
        let receive = self.bounds.receive;
        let late = match &mut self.late {
            Some(late) if late.0 == now => late,
            other => other.insert((now, Box::pin(sleep(receive)))),
        };
        if late.1.as_mut().poll(cx).is_ready() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// What waits to be taken was not: an error once that lasts too long.
    fn check_stuck(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let send = self.bounds.send;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(send)));
        if stuck.as_mut().poll(cx).is_ready() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    /// Something was taken.
    fn unstuck(&mut self) {
        if self.stuck.take().is_some() {
            self.turn.wake();
        }
    }
}

impl<S: AsyncRead + Unpin> Bounded<S> {
    /// Takes what comes behind a head that was cut, and drops it. Ready when there is no more, or more than is borne.
    fn poll_drop(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.dropped < self.bounds.request {
            let mut inbox = ReadBuf::new(&mut self.inbox);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut inbox))?;
            if inbox.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.dropped += inbox.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_place(cx)?;
        this.check_late(cx)?;
        if this.stuck.is_some() {
            this.turn.wait(cx);
            return Poll::Pending;
        }
        if std::mem::take(&mut this.pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.turn.head_too_long(&this.bounds) {
            this.ending = this.seam.ending();
            this.turn.cut(this.bounds.head);
        }
        if this.turn.cut_at().is_some() {
            if this.ending.is_empty() {
                return this.poll_drop(cx);
            }
            let (given, rest) = this.ending.split_at(this.ending.len().min(buf.remaining()));
            buf.put_slice(given);
            this.ending = rest;
            return Poll::Ready(Ok(()));
        }
        let room = this.turn.room(&this.bounds).min(buf.remaining());
        if room == 0 {
            this.turn.wait(cx);
            return Poll::Pending;
        }
        if this.at == this.filled {
            let mut inbox = ReadBuf::new(&mut this.inbox);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut inbox))?;
            (this.at, this.filled) = (0, inbox.filled().len());
            if this.filled == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let waiting = &this.inbox[this.at..this.filled];
        let waiting = &waiting[..room.min(waiting.len())];
        if this.turn.begins_anew() {
            this.seam = Seam::default();
        }
        let (given, ended) = this.seam.cut(waiting);
        buf.put_slice(&waiting[..given]);
        this.at += given;
        this.turn.give(given);
        if ended {
            this.turn.head_ended();
            this.pause = true;
        }
        this.check_late(cx)?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check_place(cx)?;
        let Poll::Ready(written) = Pin::new(&mut this.inner).poll_write(cx, buf) else {
            this.check_stuck(cx)?;
            return Poll::Pending;
        };
        this.unstuck();
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_place(cx)?;
        let Poll::Ready(flushed) = Pin::new(&mut this.inner).poll_flush(cx) else {
            this.check_stuck(cx)?;
            return Poll::Pending;
        };
        this.unstuck();
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check_place(cx)?;
        let Poll::Ready(closed) = Pin::new(&mut this.inner).poll_shutdown(cx) else {
            this.check_stuck(cx)?;
            return Poll::Pending;
        };
        if this.turn.cut_at().is_some() {
            // closed with something unread, the connection would take the answer with it
            let linger = this.bounds.linger;
            let linger = this.linger.get_or_insert_with(|| Box::pin(sleep(linger)));
            if linger.as_mut().poll(cx).is_pending() && this.poll_drop(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(closed)
    }
}

#[cfg(test)]
mod tests {
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
}
