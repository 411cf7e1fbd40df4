//! Where a panic happened and what it said.
//!
//! The hook only notes and logs; catching is done where an incarnation or a task is polled. It never panics itself.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::PanicHookInfo;
use std::sync::Once;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    static ACTOR: Cell<Option<(&'static str, u64)>> = const { Cell::new(None) };
}

static INSTALL: Once = Once::new();

/// Installs the hook once for the process: a panic is logged with the actor and incarnation on this thread, and its place
/// in the source is kept for the report. Outside an actor the hook that was there before is called as well.
pub fn install() {
    INSTALL.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            note(info);
            if ACTOR.get().is_none() {
                before(info);
            }
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    let what = payload_text(info.payload());
    match ACTOR.get() {
        Some((actor, incarnation)) => tracing::error!(actor, incarnation, place, panic = what, "actor panicked"),
        None => tracing::error!(place, panic = what, "panic"),
    }
    PLACE.with(|cell| {
        if let Ok(mut slot) = cell.try_borrow_mut() {
            *slot = Some(place);
        }
    });
}

fn payload_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text")
}

/// The text of a caught panic, with its place in the source if the hook is installed. To be called on the thread that
/// caught it, at once.
#[must_use]
pub fn text(payload: &(dyn Any + Send)) -> String {
    let what = payload_text(payload);
    match PLACE.with(|cell| cell.try_borrow_mut().ok().and_then(|mut slot| slot.take())) {
        Some(place) if !place.is_empty() => format!("{what} ({place})"),
        _ => what.to_owned(),
    }
}

/// Marks this thread as working for an actor until dropped.
pub(crate) struct Working(Option<(&'static str, u64)>);

impl Working {
    pub(crate) fn for_actor(name: &'static str, incarnation: u64) -> Self {
        Self(ACTOR.replace(Some((name, incarnation))))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        ACTOR.set(self.0);
    }
}
