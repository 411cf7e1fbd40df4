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
    /// The next bytes begin a request, wherever in a line the last ones left off.
    anew: Cell<bool>,
    /// Heads that were given and whose requests are not there as a whole yet. Too many rather than too few where a form has
    /// empty lines: a form that counts as a head is cut, a head that counts as a form has more room only.
    heads: Cell<usize>,
    /// The head was longer than so many bytes, and was ended there; 0 for one that was not.
    cut_at: Cell<usize>,
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
        self.0.heads.set(self.0.heads.get().saturating_sub(1));
        self.change(Phase::Answer);
        self.0.anew.set(true);
    }

    /// The answer was made as a whole. The head of the next request may be through already: then its form follows.
    pub(super) fn answered(&self) {
        self.change(if self.0.heads.get() > 0 { Phase::Form } else { Phase::Head });
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

    /// Whether a request begins; true once for each.
    pub(super) fn begins_anew(&self) -> bool {
        self.0.anew.take()
    }

    /// Whether a head has all the room that there is, and has not ended.
    pub(super) fn head_too_long(&self, bounds: &Bounds) -> bool {
        self.0.phase.get() == Phase::Head && self.room(bounds) == 0
    }

    /// The head is cut after so many bytes: what is left of the request is no request.
    pub(super) fn cut(&self, bytes: usize) {
        self.0.cut_at.set(bytes);
        self.head_ended();
    }

    /// After how many bytes the head of the request was cut, if it was.
    pub(super) fn cut_at(&self) -> Option<usize> {
        Some(self.0.cut_at.get()).filter(|bytes| *bytes > 0)
    }

    /// Whether the request whose head was cut has its answer: the client has nothing to wait for.
    pub(super) fn cut_is_answered(&self) -> bool {
        self.cut_at().is_some() && self.0.phase.get() == Phase::Head
    }

    /// The last of the bytes that were given ended a head, of this request or of the next one.
    pub(super) fn head_ended(&self) {
        self.0.heads.set(self.0.heads.get().saturating_add(1));
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

/// After how many bytes the head of this request was cut, if it was: then it is none, and there is only to be said why.
pub(crate) fn cut_at(request: &ServiceRequest) -> Option<usize> {
    request.conn_data::<Turn>().and_then(Turn::cut_at)
}

/// Says that the whole request is there, with its form.
pub(crate) fn received(request: &ServiceRequest) {
    if let Some(turn) = request.conn_data::<Turn>() {
        turn.received();
    }
}
