//! A libp2p behaviour for plain streams: one side names a protocol, the other side's consumer gets the stream.
//!
//! It chooses nothing by itself: the event loop names the connection, the gate says who may open what.

mod behaviour;
mod handler;
mod offer;

pub(crate) use behaviour::Behaviour;
pub(crate) use handler::{Open, OpenFailure};
