//! What the interpreter may take for a row, and for how long. Owns the counts while a batch is evaluated; the functions
//! of `bounded.rs` ask it. It is a variable of the expression, so that these find it.

use std::any::Any;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use cel::common::types::{CelBytes, CelList, CelMap, CelString, Type};
use cel::common::value::{StaticVal, Val};

use crate::breach::{Breach, ROW_BYTES};
use crate::lang::MACRO_LEVELS;
use crate::stop::Stop;

/// The name of the variable.
pub(crate) const METER: &str = "m";

/// Bytes of a value besides what it holds, more or less.
const VALUE_BYTES: usize = 48;

/// Turns of loops between two looks at the clock, which takes as long as some of them.
const TURNS: u32 = 64;

static METER_TYPE: Type = Type::new_unspecified_type("meter");

/// Counts for the present row. Its clones are the same one.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    stop: Option<Stop>,
    /// Bytes of a text at most.
    text: usize,
    /// Bytes that the row may still keep.
    left: AtomicUsize,
    turns: AtomicU32,
    /// What was left when the loop on a level began whose turns keep nothing.
    before: [AtomicUsize; MACRO_LEVELS],
    breach: OnceLock<Breach>,
}

impl Meter {
    pub(super) fn new(stop: Option<Stop>, text: usize) -> Self {
        Self(Arc::new(Counts {
            stop,
            text,
            left: AtomicUsize::new(ROW_BYTES),
            turns: AtomicU32::new(0),
            before: Default::default(),
            breach: OnceLock::new(),
        }))
    }

    /// Begins a row.
    pub(super) fn row(&self) -> Result<(), Breach> {
        self.0.left.store(ROW_BYTES, Ordering::Relaxed);
        self.0.stop.as_ref().map_or(Ok(()), Stop::check)
    }

    /// What ended the row, if a bound did.
    pub(super) fn breach(&self) -> Option<Breach> {
        self.0.breach.get().copied()
    }

    /// Bytes that a text may have.
    pub(super) fn text(&self) -> usize {
        self.0.text
    }

    /// Notes a breach, which nothing that follows undoes: a loop goes on behind an item that failed.
    pub(super) fn note<T>(&self, made: Result<T, Breach>) -> Option<T> {
        made.map_err(|breach| self.0.breach.get_or_init(|| breach)).ok()
    }

    /// Begins a turn of a loop; false when there shall be none.
    pub(super) fn turn(&self) -> bool {
        if self.0.breach.get().is_some() {
            return false;
        }
        let turns = self.0.turns.fetch_add(1, Ordering::Relaxed);
        let look = self.0.stop.as_ref().filter(|_| turns.is_multiple_of(TURNS));
        self.note(look.map_or(Ok(()), Stop::check)).is_some()
    }

    /// Begins a loop whose turns keep nothing.
    pub(super) fn enter(&self, level: usize) {
        if let Some(before) = self.0.before.get(level) {
            before.store(self.0.left.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Forgets what the last turn of such a loop has made.
    pub(super) fn forget(&self, level: usize) {
        if let Some(before) = self.0.before.get(level) {
            self.0.left.store(before.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Whether the row may hold so many bytes besides what it keeps.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let room = bytes <= self.0.left.load(Ordering::Relaxed);
        self.note(if room { Ok(()) } else { Err(Breach::Values { most: ROW_BYTES }) }).is_some()
    }

    /// Keeps so many bytes for the rest of the row; false when there is no room.
    pub(super) fn keep(&self, bytes: usize) -> bool {
        let room = self.has_room(bytes);
        if room {
            self.0.left.fetch_sub(bytes, Ordering::Relaxed);
        }
        room
    }
}

impl Val for Meter {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        &METER_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Meter {}

/// Bytes that a value takes, more or less.
pub(super) fn bytes_of(val: &(dyn Val + '_)) -> usize {
    let held = if let Some(text) = val.downcast_ref::<CelString>() {
        text.inner().len()
    } else if let Some(bytes) = val.downcast_ref::<CelBytes>() {
        bytes.inner().len()
    } else if let Some(list) = val.downcast_ref::<CelList>() {
        list.iter().map(|item| bytes_of(item.as_ref())).sum()
    } else if let Some(map) = val.downcast_ref::<CelMap>() {
        map.inner().iter().map(|(key, value)| bytes_of(key.inner()) + bytes_of(value.as_ref())).sum()
    } else {
        0
    };
    VALUE_BYTES + held
}

/// Bytes of so many values that hold so many more.
pub(super) fn bytes_of_many(values: usize, held: usize) -> usize {
    values.saturating_mul(VALUE_BYTES).saturating_add(held)
}
