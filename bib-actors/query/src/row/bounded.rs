//! The interpreter's functions that may make much of little, or go on for long: each has the meter of its row as its
//! first argument. One that reaches a bound fails, and so does every turn of a loop from then on.

use cel::common::functions::Function;
use cel::common::types::{CelBool, CelList, CelString};
use cel::common::value::{CowVal, Val};

use super::library::{Answer, Args, int, no_value, ok};
use super::made;
use super::meter::{Meter, bytes_of, bytes_of_many};

/// Their names, numbers of arguments, and what they do.
pub(super) const FUNCTIONS: [(&str, usize, Function); 8] = [
    ("bib_turn", 1, turn),
    ("bib_turn_of", 2, turn_of),
    ("bib_enter", 3, enter),
    ("bib_keep", 2, keep),
    ("bib_add", 3, add),
    ("bib_replace", 4, replace),
    ("bib_join", 3, join),
    ("bib_split", 3, split),
];

fn meter<'a>(args: &'a Args<'_, '_>) -> Option<&'a Meter> {
    args.first().and_then(|arg| arg.downcast_ref::<Meter>())
}

fn text<'a>(arg: &'a CowVal<'_, '_>) -> Option<&'a str> {
    arg.downcast_ref::<CelString>().map(CelString::inner)
}

fn level(arg: &CowVal<'_, '_>) -> usize {
    int(arg).and_then(|level| usize::try_from(level).ok()).unwrap_or(usize::MAX)
}

/// Begins a turn of a loop.
fn turn<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    if meter(&args).is_some_and(Meter::turn) { ok(CelBool::from(true)) } else { no_value() }
}

/// Begins a turn of the loop on a level, whose turns keep nothing.
fn turn_of<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(meter) = meter(&args) else { return no_value() };
    meter.forget(level(&args[1]));
    if meter.turn() { ok(CelBool::from(true)) } else { no_value() }
}

/// The list that such a loop goes over.
fn enter<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(meter) = meter(&args) else { return no_value() };
    meter.enter(level(&args[1]));
    args.into_iter().nth(2).map_or_else(no_value, Ok)
}

/// A value that becomes part of a list.
fn keep<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let room = meter(&args).is_some_and(|meter| meter.keep(bytes_of(&*args[1])));
    args.into_iter().nth(1).filter(|_| room).map_or_else(no_value, Ok)
}

/// Two texts or two lists, one behind the other.
fn add<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(meter) = meter(&args) else { return no_value() };
    if let (Some(a), Some(b)) = (text(&args[1]), text(&args[2])) {
        let fits = meter.note(made::fits(a, b, meter.text()));
        return if fits.is_some() { ok(CelString::from([a, b].concat())) } else { no_value() };
    }
    let lists = args[1].downcast_ref::<CelList>().is_some() && args[2].downcast_ref::<CelList>().is_some();
    if !lists || !meter.has_room(bytes_of(&*args[1]).saturating_add(bytes_of(&*args[2]))) {
        return no_value();
    }
    let Some(adder) = args[1].as_adder() else { return no_value() };
    Ok(CowVal::Owned(adder.add(&*args[2])?.into_owned()))
}

fn replace<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (Some(meter), Some(of), Some(from), Some(to)) = (meter(&args), text(&args[1]), text(&args[2]), text(&args[3]))
    else {
        return no_value();
    };
    meter.note(made::replaced(of, from, to, meter.text())).map_or_else(no_value, |text| ok(CelString::from(text)))
}

fn join<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (Some(meter), Some(list), Some(between)) = (meter(&args), args[1].downcast_ref::<CelList>(), text(&args[2]))
    else {
        return no_value();
    };
    let texts: Option<Vec<&str>> =
        list.iter().map(|item| item.downcast_ref::<CelString>().map(CelString::inner)).collect();
    let joined = texts.and_then(|texts| meter.note(made::joined(&texts, between, meter.text())));
    joined.map_or_else(no_value, |text| ok(CelString::from(text)))
}

/// The parts between separators; an empty one stands between all characters.
fn split<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (Some(meter), Some(of), Some(between)) = (meter(&args), text(&args[1]), text(&args[2])) else {
        return no_value();
    };
    let parts = if between.is_empty() { of.chars().count() } else { of.matches(between).count() + 1 };
    if !meter.has_room(bytes_of_many(parts, of.len())) {
        return no_value();
    }
    let boxed = |part: &str| -> Box<dyn Val + 'v> { Box::new(CelString::from(part.to_owned())) };
    let parts: Vec<Box<dyn Val + 'v>> = if between.is_empty() {
        of.chars().map(|c| boxed(c.encode_utf8(&mut [0; 4]))).collect()
    } else {
        of.split(between).map(boxed).collect()
    };
    ok(CelList::from(parts))
}
