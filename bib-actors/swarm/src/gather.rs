//! Lets small writes gather for as long as there is more to write at once.
//!
//! The muxer asks for a flush after each of its frames, before it looks whether there is another one. A flush that is done
//! at once makes each frame of 16 KiB a system call, and wakes the other end for it. So the first one after a write is put
//! off until the task had another turn: what its streams have ready by then goes out together. Nothing waits for a clock.

use futures::io::{AsyncRead, AsyncWrite, BufWriter, IoSlice, IoSliceMut};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A writer whose flush lets others go first, once.
#[derive(Debug)]
pub(crate) struct Gather<W> {
    inner: BufWriter<W>,
    /// Something was written since the last look, so that more may follow.
    written: bool,
}

impl<W: AsyncWrite + Unpin> Gather<W> {
    /// At most `capacity` bytes gather.
    pub(crate) fn new(capacity: usize, inner: W) -> Self {
        Self { inner: BufWriter::with_capacity(capacity, inner), written: false }
    }

    /// What is written to.
    #[cfg(test)]
    pub(crate) fn get_ref(&self) -> &W {
        self.inner.get_ref()
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Gather<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written = true;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written = true;
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.written) {
            // the task comes to the end of the line
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl<W: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<W> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, bytes)
    }

    fn poll_read_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read_vectored(cx, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::future::poll_fn;
    use futures::io::AsyncWriteExt;

    /// Notes the writes that reach it.
    #[derive(Debug, Default)]
    struct Writes(Vec<usize>);

    impl AsyncWrite for Writes {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.push(bytes.len());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_is_written_in_one_turn_goes_out_together() {
        let mut writer = Gather::new(100, Writes::default());
        let mut turns = 0;
        block_on(poll_fn(|cx| {
            turns += 1;
            if turns == 1 {
                // as the muxer does: a flush after each frame, whose answer it does not wait for
                for frame in [[1; 20], [2; 20], [3; 20]] {
                    assert!(matches!(Pin::new(&mut writer).poll_write(cx, &frame), Poll::Ready(Ok(20))));
                    assert!(Pin::new(&mut writer).poll_flush(cx).is_pending());
                }
                assert_eq!(writer.get_ref().0, [0; 0]);
            }
            Pin::new(&mut writer).poll_flush(cx)
        }))
        .unwrap();
        assert_eq!((turns, &writer.get_ref().0[..]), (1, &[60][..]), "the second look in a row is not put off");
    }

    #[test]
    fn a_flush_comes_to_its_end() {
        let mut writer = Gather::new(100, Writes::default());
        for _ in 0..3 {
            block_on(writer.write_all(&[7; 30])).unwrap();
            block_on(writer.flush()).unwrap();
        }
        assert_eq!(writer.get_ref().0, [30, 30, 30]);
        block_on(writer.flush()).unwrap();
        assert_eq!(writer.get_ref().0.len(), 3, "there is nothing to write");
    }

    #[test]
    fn what_does_not_fit_goes_out_before() {
        let mut writer = Gather::new(100, Writes::default());
        for _ in 0..5 {
            block_on(writer.write_all(&[7; 40])).unwrap();
        }
        block_on(writer.close()).unwrap();
        assert_eq!(writer.get_ref().0, [80, 80, 40]);
    }
}
