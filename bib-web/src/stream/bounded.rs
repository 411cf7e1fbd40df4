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

    /// Ready once a client whose request was cut has had the time to go.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.bounds.linger;
        self.linger.get_or_insert_with(|| Box::pin(sleep(linger))).as_mut().poll(cx)
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

    /// The end of what a client says whose request was cut. A form that names no length has none of its own, so from the
    /// answer on it is waited for as long as the client may take to go.
    fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.turn.cut_is_answered() {
            self.turn.wait(cx);
        } else if self.poll_linger(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        self.poll_drop(cx)
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
                return this.poll_cut(cx);
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
        // closed with something unread, the connection would take the answer with it
        if this.turn.cut_at().is_some() && this.poll_linger(cx).is_pending() && this.poll_drop(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(closed)
    }
}

#[cfg(test)]
mod tests;
