//! One accepted connection. It ends with the incarnation that accepted it, whatever still runs on it.

use super::origin::Origin;
use super::quota::Place;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// The bytes under a connection.
pub(crate) enum Stream {
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
    /// The Unix socket.
    Unix(UnixStream),
    /// Within the process.
    Inside(DuplexStream),
}

/// One accepted connection, with its place in the quota.
pub(crate) struct Connection {
    stream: Stream,
    origin: Origin,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
}

impl Connection {
    /// A connection that fails every read and write once `token` is cancelled.
    pub(crate) fn new(stream: Stream, origin: Origin, place: Place, token: &CancellationToken) -> Self {
        Self { stream, origin, ended: Box::pin(token.clone().cancelled_owned()), _place: place }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.ended.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the gateway restarts")),
            Poll::Pending => Ok(()),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Origin;

    fn connect_info(&self) -> Origin {
        self.origin
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        match &mut self.stream {
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            Stream::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
            Stream::Inside(inside) => Pin::new(inside).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        match &mut self.stream {
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            Stream::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
            Stream::Inside(inside) => Pin::new(inside).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_flush(cx),
            Stream::Inside(inside) => Pin::new(inside).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            Stream::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
            Stream::Inside(inside) => Pin::new(inside).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        match &mut self.stream {
            Stream::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, bufs),
            Stream::Unix(unix) => Pin::new(unix).poll_write_vectored(cx, bufs),
            Stream::Inside(inside) => Pin::new(inside).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Tls(tls) => tls.is_write_vectored(),
            Stream::Unix(unix) => unix.is_write_vectored(),
            Stream::Inside(inside) => inside.is_write_vectored(),
        }
    }
}
