//! Whose turn it is on one connection: the client's, to send a request, or ours, to answer it.

use super::bounded::Bounds;
use super::place::{Place, Settler};
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// What the connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// A request begins, or is waited for.
    #[default]
    Head,
    /// Its head is there, a form may follow.
    Form,
    /// It is there as a whole and is being answered.
    Answer,
}

#[derive(Debug, Default)]
struct State {
    phase: Cell<Phase>,
    /// Bytes that were given since the phase of the request, or of the answer, began.
    given: Cell<usize>,
    /// Counts the changes of turn, so that a timer knows whether it is still about the same request.
    round: Cell<u64>,
    waker: RefCell<Option<Waker>>,
    settler: Option<Settler>,
}

/// Shared by a connection's stream, which obeys it, and its requests, which change it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turn(Rc<State>);

impl Turn {
    /// Of a connection with this place.
    pub(super) fn of(place: Option<&Place>) -> Self {
        Self(Rc::new(State { settler: place.map(Place::settler), ..State::default() }))
    }

    /// Somebody with a session uses the connection.
    fn settled(&self) {
        if let Some(settler) = &self.0.settler {
            settler.settle();
        }
    }

    /// The request is there as a whole: what comes now is another one.
    pub(super) fn received(&self) {
        self.change(Phase::Answer);
    }

    /// The answer was made as a whole.
    pub(super) fn answered(&self) {
        self.change(Phase::Head);
        self.wake();
    }

    fn change(&self, phase: Phase) {
        self.0.phase.set(phase);
        self.0.given.set(0);
        self.0.round.set(self.0.round.get().wrapping_add(1));
    }

    /// How many more bytes may be given now.
    pub(super) fn room(&self, bounds: &Bounds) -> usize {
        let most = match self.0.phase.get() {
            Phase::Head => bounds.head,
            Phase::Form => bounds.request,
            Phase::Answer => bounds.ahead,
        };
        most.saturating_sub(self.0.given.get())
    }

    /// So many bytes were given.
    pub(super) fn give(&self, bytes: usize) {
        self.0.given.set(self.0.given.get() + bytes);
    }

    /// The last of the bytes that were given ended a head.
    pub(super) fn head_ended(&self) {
        if self.0.phase.get() == Phase::Head {
            self.0.phase.set(Phase::Form);
        }
    }

    /// The number of the turn in which the client is sending, if it is.
    pub(super) fn receiving(&self) -> Option<u64> {
        (self.0.phase.get() != Phase::Answer && self.0.given.get() > 0).then(|| self.0.round.get())
    }

    /// Has the task woken when there is room again.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        self.0.waker.replace(Some(cx.waker().clone()));
    }

    /// There may be room again.
    pub(super) fn wake(&self) {
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

/// Says that whoever asks has a session: the connection is kept when others need room.
pub(crate) fn settled(request: &HttpRequest) {
    if let Some(turn) = request.conn_data::<Turn>() {
        turn.settled();
    }
}

/// Says that the whole request is there, with its form.
pub(crate) fn received(request: &ServiceRequest) {
    if let Some(turn) = request.conn_data::<Turn>() {
        turn.received();
    }
}
