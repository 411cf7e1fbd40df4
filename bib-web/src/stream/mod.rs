//! What stands between a socket and the HTTP code: it keeps what one client can make the node hold within bounds.
//!
//! actix-http decodes every request among the bytes that it has read at once before it looks at how many wait for an
//! answer, and a request that is a few bytes on the wire is thousands in memory. It also goes on reading while nobody
//! takes its answers, and appends further ones to its buffer. So it is given one request at a time, nothing while
//! answers wait to be taken, and little while one is being made.
//!
//! A head that is too long is ended where its room ends, so that it is a request at which the guard can say so; nothing else
//! looks at it. What the client has still to say is then taken and dropped: closing on it would take the answer with it.

mod answer;
mod bounded;
mod place;
mod seam;
mod turn;

pub(crate) use answer::answering;
pub(crate) use bounded::{Bounded, Bounds};
pub(crate) use place::{Place, Places};
pub(crate) use turn::{cut_at, received, settled};
