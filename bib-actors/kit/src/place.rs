//! Where a child's incarnations run: a thread of its own, kept over restarts, or the supervisor's.

use crate::Placement;
use actix::{Arbiter, System};

/// The place of one child.
pub(crate) enum Place {
    Current,
    Own(Option<Arbiter>),
}

impl Place {
    pub(crate) const fn new(placement: Placement) -> Self {
        match placement {
            Placement::Current => Self::Current,
            Placement::Own => Self::Own(None),
        }
    }

    /// Runs the function there. A thread that is gone is replaced by a new one.
    pub(crate) fn run(&mut self, start: impl FnOnce() + Send + 'static) -> Result<(), String> {
        let slot = match self {
            Self::Current => {
                start();
                return Ok(());
            }
            Self::Own(slot) => slot,
        };
        if slot.as_ref().is_none_or(|arbiter| !arbiter.alive()) {
            *slot = Some(new_thread()?);
        }
        match slot.as_ref() {
            Some(arbiter) if arbiter.spawn_fn(start) => Ok(()),
            _ => Err("its thread ended as soon as it was started".to_owned()),
        }
    }

    /// Ends the thread if there is one. Work that blocks it goes on until it lets go.
    pub(crate) fn close(&mut self) {
        if let Self::Own(slot) = self
            && let Some(arbiter) = slot.take()
        {
            arbiter.stop();
        }
    }
}

fn new_thread() -> Result<Arbiter, String> {
    if System::try_current().is_none() {
        return Err("a child with a thread of its own needs an actor system; use bib_kit::system::run".to_owned());
    }
    Arbiter::try_new().map_err(|error| format!("the system gives no further thread: {error}"))
}
