//! What carries calls: an HTTP/2 connection, or a function where client and node are one process.

use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::transport::Channel;
use tower::Service;

type Response = http::Response<Body>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Takes a call within the process and answers it. Dropping the future ends the call.
pub type Take = Arc<dyn Fn(http::Request<Body>) -> BoxFuture<'static, Response> + Send + Sync>;

/// What carries calls. Cheap to clone.
#[derive(Clone)]
pub enum Wire {
    /// A connection.
    Channel(Channel),
    /// A function in the same process: nothing is written as HTTP/2, and nothing is read.
    Inside(Take),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Channel(_) => "Channel",
            Self::Inside(_) => "Inside",
        })
    }
}

impl Service<http::Request<Body>> for Wire {
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response, Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match self {
            Self::Channel(channel) => channel.poll_ready(cx).map_err(Into::into),
            Self::Inside(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match self {
            Self::Channel(channel) => {
                let answer = channel.call(request);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }
            Self::Inside(take) => {
                let answer = take(request);
                Box::pin(async move { Ok(answer.await) })
            }
        }
    }
}
