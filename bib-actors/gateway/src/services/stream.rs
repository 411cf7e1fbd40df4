//! Streams of answers: made by a task, taken by the client at its own pace, ended by a mark.
//!
//! A stream that ends without its mark (the task was aborted, or panicked) ends with an error at the client: half a
//! download must never look like a whole one.

use crate::access::Caller;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::RequestId;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::{Code, Status};

enum Part<T> {
    Item(T),
    End(Result<(), Status>),
}

/// The end at which the task works.
pub(super) struct Sink<T> {
    out: mpsc::Sender<Part<T>>,
    idle: Duration,
}

impl<T> Clone for Sink<T> {
    fn clone(&self) -> Self {
        Self { out: self.out.clone(), idle: self.idle }
    }
}

impl<T: Send> Sink<T> {
    /// Sends one message, waiting for the client. Cancel-safe: the message is sent or not.
    pub(super) async fn send(&self, item: T) -> Result<(), Problem> {
        match tokio::time::timeout(self.idle, self.out.send(Part::Item(item))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Problem::new(Code::Cancelled, "CLIENT_GONE", "the client has gone")),
            Err(_) => Err(Problem::new(
                Code::DeadlineExceeded,
                "CLIENT_STALLED",
                format!("the client has taken nothing for {} s", self.idle.as_secs()),
            )),
        }
    }

    /// Resolves when the client has gone.
    pub(super) async fn gone(&self) {
        self.out.closed().await;
    }

    /// Sends one message if there is room for it now. For news of progress, of which the next is as good.
    pub(super) fn offer(&self, item: T) {
        drop(self.out.try_send(Part::Item(item)));
    }
}

/// The end that tonic reads.
pub(crate) struct Out<T> {
    parts: mpsc::Receiver<Part<T>>,
    id: RequestId,
    ended: bool,
}

impl<T> futures::Stream for Out<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let part = std::task::ready!(self.parts.poll_recv(cx));
        Poll::Ready(match part {
            Some(Part::Item(item)) => Some(Ok(item)),
            Some(Part::End(outcome)) => {
                self.ended = true;
                outcome.err().map(Err)
            }
            None => {
                self.ended = true;
                let problem = Problem::new(
                    Code::Unavailable,
                    "STREAM_BROKEN_OFF",
                    "the node broke this stream off before its end",
                )
                .hint("send the same call again");
                Some(Err(problem.into_status(&self.id)))
            }
        })
    }
}

/// Starts the work that fills a stream: here as far as it goes without waiting, in a task what is left then. Most pages of
/// rows are whole at once and need none.
pub(super) fn fill<T, W>(
    shared: &Shared,
    caller: &Caller,
    name: &'static str,
    work: impl FnOnce(Sink<T>) -> W,
) -> Result<Out<T>, Problem>
where
    T: Send + 'static,
    W: Future<Output = Result<(), Problem>> + Send + 'static,
{
    let transfers = &shared.options.transfers;
    let (out, parts) = mpsc::channel(transfers.stream_queue);
    let id = caller.request_id;
    let sink = Sink { out: out.clone(), idle: transfers.stream_idle };
    let idle = sink.idle;
    let work = work(sink);
    let (token, task) = (shared.token.clone(), async move {
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(Problem::internal(format_args!("{name} panicked in call {id}"))));
        let end = Part::End(outcome.map_err(|problem| problem.into_status(&id)));
        drop(tokio::time::timeout(idle, out.send(end)).await);
    });
    let mut task = Box::pin(task);
    // nobody is woken by this look; the task looks again
    if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        shared.tasks.spawn(name, async move {
            tokio::select! {
                () = task => {}
                () = token.cancelled() => {}
            }
        })?;
    }
    Ok(Out { parts, id, ended: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test]
    async fn a_stream_without_its_mark_ends_with_an_error() {
        let (out, parts) = mpsc::channel(4);
        let mut stream = Out { parts, id: RequestId::from_bytes([1; 16]), ended: false };
        out.send(Part::Item(1)).await.unwrap();
        drop(out);
        assert_eq!(stream.next().await.unwrap().unwrap(), 1);
        assert_eq!(stream.next().await.unwrap().unwrap_err().code(), Code::Unavailable);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_marked_stream_ends_well() {
        let (out, parts) = mpsc::channel::<Part<u8>>(4);
        let mut stream = Out { parts, id: RequestId::from_bytes([1; 16]), ended: false };
        out.send(Part::End(Ok(()))).await.unwrap();
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_left() {
        let (out, parts) = mpsc::channel(1);
        let sink = Sink { out, idle: Duration::from_millis(20) };
        sink.send(1).await.unwrap();
        assert_eq!(sink.send(2).await.unwrap_err().reason(), "CLIENT_STALLED");
        drop(parts);
        assert_eq!(sink.send(3).await.unwrap_err().reason(), "CLIENT_GONE");
    }
}
