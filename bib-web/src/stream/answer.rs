//! An answer that says when it is over.

use super::turn::Turn;
use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Gives the turn back to the client when it is dropped, however the answer ended.
struct Over(Option<Turn>);

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(turn) = &self.0 {
            turn.answered();
        }
    }
}

/// A body that belongs to a turn.
pub(crate) struct Answer<B> {
    body: Pin<Box<B>>,
    _over: Over,
}

impl<B: MessageBody> MessageBody for Answer<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_mut().poll_next(cx)
    }
}

/// Before everything else: until the answer is over, the client has little more to say.
pub(crate) async fn answering<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Answer<B>>, Error> {
    let over = Over(request.conn_data::<Turn>().cloned());
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Answer { body: Box::pin(body), _over: over }))
}
