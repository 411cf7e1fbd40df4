//! Calls that are handed over within the process. They pass the gate as those of a connection do, and are bounded in
//! number as the calls of one connection are.

use super::door::away;
use crate::access::{Gate, GateLayer};
use crate::listen::Origin;
use bib_kit::CancellationToken;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Layer, Service};

/// Takes the calls of one incarnation, which owns it: it holds the services, and they hold the door.
pub(crate) struct Calls {
    service: Gate<Routes>,
    places: Arc<Semaphore>,
    most: u32,
    runtime: Handle,
    /// Cancelled when an orderly stop begins.
    drain: CancellationToken,
}

impl Calls {
    /// At most `most` calls at a time are answered by `routes` on `runtime`; others wait.
    pub(crate) fn new(gate: &GateLayer, routes: Routes, most: u32, runtime: Handle, drain: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(most as usize));
        Self { service: gate.layer(routes.prepare()), places, most, runtime, drain }
    }

    /// Answers one call. Dropping the future, or the body of the answer, ends it.
    pub(super) async fn answer(&self, mut request: http::Request<Body>) -> http::Response<Body> {
        // who waits when the end begins would wait behind the end itself
        let place = tokio::select! {
            biased;
            () = self.drain.cancelled() => return away(),
            place = Arc::clone(&self.places).acquire_owned() => place,
        };
        let Ok(place) = place else { return away() };
        request.extensions_mut().insert(Origin::Pages);
        let mut service = self.service.clone();
        let mut work = Box::pin(AssertUnwindSafe(async move { service.call(request).await }).catch_unwind());
        let answer = match self.look(work.as_mut()) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => AbortOnDropHandle::new(self.runtime.spawn(work)).await.ok(),
        };
        match answer {
            Some(Ok(Ok(answer))) => answer.map(|body| Body::new(Held { body, _place: place })),
            Some(Ok(Err(never))) => match never {},
            // the panic hook has logged a panic's text
            Some(Err(_)) | None => {
                tracing::warn!("a call of the pages was broken off");
                away()
            }
        }
    }

    /// Does what a call needs until it waits for something. Most are answered from memory and never do, and waking another
    /// thread for them, and this one again, would take longer than they do. What waits goes to the services' own runtime,
    /// to which all belongs that is begun here: the pages' threads are few.
    fn look<W: Future>(&self, work: Pin<&mut W>) -> Poll<W::Output> {
        let _inside = self.runtime.enter();
        // nobody is woken by this look; the runtime looks again
        work.poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Resolves when no call is under way. For the end: after it there are no places any more.
    pub(crate) async fn ended(&self) {
        drop(self.places.acquire_many(self.most).await);
    }
}

/// The body of an answer, which keeps the place of its call.
struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl tonic::codegen::Body for Held {
    type Data = bytes::Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
