//! Replies that are given later, by whoever holds the promise.
//!
//! A promise is made before it is known where the answer goes: that stands in the envelope, which is in the kit's hands until
//! the handler has returned. Once both are there, the answer goes from the one who has it to the asker, past the actor's
//! thread: to wake that would cost as much as the rest of a small ask.

use crate::envelope::Opened;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use tokio::sync::oneshot;

/// What is known of an answer and of its way.
enum State<T> {
    /// Neither.
    New,
    /// The answer, before its way was known.
    Kept(T),
    /// The way, before the answer.
    Back(Opened<T>, Owed),
    /// The kit itself waits for it.
    Awaited(oneshot::Sender<T>),
    /// There will be no answer, or it was given.
    Over,
}

/// The end that gives the answer.
pub struct Promise<T>(Arc<Mutex<State<T>>>);

/// The end that knows where it goes.
pub(crate) struct Promised<T>(Arc<Mutex<State<T>>>);

pub(crate) fn pair<T>() -> (Promise<T>, Promised<T>) {
    let state = Arc::new(Mutex::new(State::New));
    (Promise(Arc::clone(&state)), Promised(state))
}

impl<T> Promise<T> {
    /// Gives the answer. False if the asker no longer waits.
    pub fn keep(self, value: T) -> bool {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::New => {
                *state = State::Kept(value);
                true
            }
            State::Back(back, owed) => {
                drop(state);
                let heard = back.send(value);
                drop(owed);
                heard
            }
            State::Awaited(tx) => tx.send(value).is_ok(),
            State::Kept(_) | State::Over => false,
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // one that was kept early is not taken back
        if !matches!(*state, State::Kept(_)) {
            let before = std::mem::replace(&mut *state, State::Over);
            drop(state);
            drop(before);
        }
    }
}

impl<T> Promised<T> {
    /// Tells where the answer goes; until it has gone there the actor owes it.
    pub(crate) fn to(self, back: Opened<T>, owing: &Owing) {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::New => *state = State::Back(back, owing.one()),
            State::Kept(value) => {
                drop(state);
                back.send(value);
            }
            State::Back(..) | State::Awaited(_) | State::Over => {}
        }
    }

    /// The answer, or nothing if the promise was dropped.
    pub(crate) async fn answer(self) -> Option<T> {
        let rx = {
            let mut state = self.0.lock();
            match std::mem::replace(&mut *state, State::Over) {
                State::New => {
                    let (tx, rx) = oneshot::channel();
                    *state = State::Awaited(tx);
                    rx
                }
                State::Kept(value) => return Some(value),
                State::Back(..) | State::Awaited(_) | State::Over => return None,
            }
        };
        rx.await.ok()
    }
}

/// How many promised answers an actor owes.
#[derive(Clone, Default)]
pub(crate) struct Owing(Arc<Debt>);

#[derive(Default)]
struct Debt {
    count: AtomicUsize,
    /// Waits until nothing is owed.
    waits: AtomicWaker,
}

/// One of them, until it is dropped.
struct Owed(Arc<Debt>);

impl Owing {
    fn one(&self) -> Owed {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        Owed(Arc::clone(&self.0))
    }

    /// Whether nothing is owed; if something is, the waker is woken when nothing is any more.
    pub(crate) fn is_settled(&self, waker: &Waker) -> bool {
        self.0.waits.register(waker);
        self.0.count.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.waits.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::task::noop_waker;

    fn back() -> (Opened<u8>, oneshot::Receiver<crate::envelope::Answered<u8>>) {
        let (tx, rx) = oneshot::channel();
        (Opened::of(Some(tx)), rx)
    }

    fn settled(owing: &Owing) -> bool {
        owing.is_settled(&noop_waker())
    }

    #[test]
    fn an_answer_finds_its_way_whichever_comes_first() {
        let owing = Owing::default();
        let (promise, promised) = pair();
        let (way, mut answer) = back();
        promised.to(way, &owing);
        assert!(!settled(&owing) && answer.try_recv().is_err());
        assert!(promise.keep(3));
        assert!(matches!(answer.try_recv(), Ok(Ok(3))) && settled(&owing));

        let (promise, promised) = pair();
        let (way, mut answer) = back();
        assert!(promise.keep(4));
        promised.to(way, &owing);
        assert!(matches!(answer.try_recv(), Ok(Ok(4))) && settled(&owing));
    }

    #[test]
    fn a_promise_that_is_dropped_leaves_the_asker_without_an_answer() {
        let owing = Owing::default();
        for early in [true, false] {
            let (promise, promised) = pair::<u8>();
            let (way, mut answer) = back();
            if early {
                drop(promise);
                promised.to(way, &owing);
            } else {
                promised.to(way, &owing);
                drop(promise);
            }
            assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
            assert!(settled(&owing));
        }
        let (promise, promised) = pair();
        let (way, answer) = back();
        promised.to(way, &owing);
        drop(answer);
        assert!(!promise.keep(5), "nobody hears it");
    }

    #[test]
    fn the_kit_can_wait_for_it_too() {
        let (promise, promised) = pair();
        assert!(promise.keep(6));
        assert_eq!(promised.answer().now_or_never(), Some(Some(6)));
        let (promise, promised) = pair::<u8>();
        let mut answer = Box::pin(promised.answer());
        assert_eq!((&mut answer).now_or_never(), None);
        drop(promise);
        assert_eq!(answer.now_or_never(), Some(None));
    }
}
