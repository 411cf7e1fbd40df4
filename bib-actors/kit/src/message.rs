//! Messages and their replies.
//!
//! One struct per message, with a typed reply. A reply is given at once, by a future that runs inside the actor's own
//! task, or by a promise kept for later. Bytes in bulk are never messages.

use crate::promise::{self, Promise, Promised};
use futures::future::LocalBoxFuture;
use std::future::Future;

/// A request or notice that an actor takes.
pub trait Message: Send + 'static {
    /// What the asker gets back.
    type Reply: Send + 'static;
}

/// What a handler gives back: the answer, or how it will come.
#[must_use = "the asker waits for the reply"]
pub struct Reply<T>(pub(crate) Kind<T>);

pub(crate) enum Kind<T> {
    Now(T),
    Later(LocalBoxFuture<'static, T>),
    Promised(Promised<T>),
}

impl<T: 'static> Reply<T> {
    /// The answer is known.
    pub const fn now(value: T) -> Self {
        Self(Kind::Now(value))
    }

    /// The future gives the answer. It runs inside the actor's task beside other messages: it dies with the
    /// incarnation (the asker then sees `Unknown`), and a panic in it kills the incarnation.
    pub fn later(future: impl Future<Output = T> + 'static) -> Self {
        Self(Kind::Later(Box::pin(future)))
    }

    /// The answer is given through the promise, by whoever holds it: the actor, or work that it has given it to. It goes
    /// straight to the asker. A promise that is dropped without an answer tells the asker `Unknown`.
    pub fn promise() -> (Promise<T>, Self) {
        let (promise, promised) = promise::pair();
        (promise, Self(Kind::Promised(promised)))
    }

    /// The future that carries the answer out, if the reply is awaited by the kit itself.
    pub(crate) fn into_future(self) -> LocalBoxFuture<'static, Option<T>> {
        match self.0 {
            Kind::Now(value) => Box::pin(std::future::ready(Some(value))),
            Kind::Later(future) => Box::pin(async move { Some(future.await) }),
            Kind::Promised(promised) => Box::pin(promised.answer()),
        }
    }
}
