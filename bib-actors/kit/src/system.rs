//! The thread that the root actor runs on.
//!
//! Children with a place of their own need it, since their threads register there.

use std::future::Future;

/// Runs the future on this thread as the main thread of an actor system, and ends the system with it.
pub fn run<F: Future>(main: F) -> F::Output {
    actix::System::new().block_on(main)
}
