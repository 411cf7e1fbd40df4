//! The traits that an actor of ours implements.
//!
//! An actor is made by its factory with its durable state loaded, handles messages one at a time, and is thrown away as
//! a whole when it fails: no value outlives a panic.

use crate::{Cx, Message, Reply};

/// An actor of the node.
pub trait Child: Sized + Unpin + 'static {
    /// The name in health, logs and errors.
    const NAME: &'static str;

    /// Called once before the first message: spawn tasks and timers here. Durable state is loaded by the factory.
    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        let _ = cx;
    }

    /// Called when an orderly shutdown begins: no new message is accepted, those in the mailbox are still handled.
    /// Tell long replies to end here. The reply's future runs once the mailbox is empty and every reply has been given;
    /// when it is done the incarnation ends. All of it within the child's shutdown limit.
    fn shutdown(&mut self, cx: &mut Cx<'_, Self>) -> Reply<()> {
        let _ = cx;
        Reply::now(())
    }

    /// Called last, when the incarnation ends by itself or in order. Not called after a panic, whose state is suspect.
    fn stopping(&mut self) {}
}

/// An actor takes the message `M`.
pub trait Handles<M: Message>: Child {
    /// Handles one message. Must not block the thread: files, hashing and the like go through [`crate::blocking`].
    fn handle(&mut self, msg: M, cx: &mut Cx<'_, Self>) -> Reply<M::Reply>;
}
