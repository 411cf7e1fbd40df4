//! The functions that the interpreter has besides CEL's own: comparisons that know nulls, and conversions that agree with
//! the vectorized ones. Owns the environment, made once for the process; what is bounded is in `bounded.rs`.
//!
//! A function that is given null, or that has no answer, fails; CEL's `&&`, `||`, `all` and `exists` absorb such
//! failures exactly as three-valued logic does, and a failure of the whole expression is null.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use cel::common::functions::Function;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
    DYN_TYPE,
};
use cel::common::value::{CowVal, Val};
use cel::{Env, ExecutionError};

use super::{bounded, scalar};

pub(super) type Args<'b, 'v> = Vec<CowVal<'b, 'v>>;
pub(super) type Answer<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// The environment of every row expression.
pub(super) fn env() -> Arc<Env> {
    static ENV: OnceLock<Arc<Env>> = OnceLock::new();
    Arc::clone(ENV.get_or_init(|| Arc::new(build())))
}

fn build() -> Env {
    let mut env = Env::stdlib();
    env.add_extension(cel::extensions::strings).expect("the library has no name twice");
    env.add_extension(cel::extensions::math).expect("the library has no name twice");
    let functions: [(&str, usize, Function); 23] = [
        ("bib_eq", 2, |args| compare(&args, |order| order == Some(Ordering::Equal))),
        ("bib_ne", 2, |args| compare(&args, |order| order != Some(Ordering::Equal))),
        ("bib_lt", 2, |args| compare(&args, |order| order.is_some_and(Ordering::is_lt))),
        ("bib_le", 2, |args| compare(&args, |order| order.is_some_and(Ordering::is_le))),
        ("bib_gt", 2, |args| compare(&args, |order| order.is_some_and(Ordering::is_gt))),
        ("bib_ge", 2, |args| compare(&args, |order| order.is_some_and(Ordering::is_ge))),
        ("bib_in", 2, within),
        ("bib_field", 2, field),
        ("bib_doubles", 1, |args| Ok(CowVal::Owned(doubles(&*args[0])))),
        ("bib_greatest", 2, |args| choose(args, Ordering::Greater)),
        ("bib_least", 2, |args| choose(args, Ordering::Less)),
        ("bib_micros", 1, |args| int(&args[0]).and_then(time_of).map_or_else(no_value, ok)),
        ("bib_span", 1, |args| {
            int(&args[0]).map(chrono::Duration::microseconds).map_or_else(no_value, |d| ok(CelDuration::from(d)))
        }),
        ("bib_timestamp", 1, timestamp),
        ("bib_date", 1, date),
        ("bib_duration", 1, duration),
        ("bib_string", 1, string),
        ("bib_day", 1, day),
        ("bib_bool", 1, boolean),
        ("bib_pow", 2, |args| match (double(&args[0]), double(&args[1])) {
            (Some(base), Some(exponent)) => ok(CelDouble::from(base.powf(exponent))),
            _ => no_value(),
        }),
        ("bib_exp", 1, |args| double(&args[0]).map_or_else(no_value, |d| ok(CelDouble::from(d.exp())))),
        ("bib_ln", 1, |args| double(&args[0]).map_or_else(no_value, |d| ok(CelDouble::from(d.ln())))),
        ("bib_log10", 1, |args| double(&args[0]).map_or_else(no_value, |d| ok(CelDouble::from(d.log10())))),
    ];
    for (name, arity, function) in functions.into_iter().chain(bounded::FUNCTIONS) {
        env.add_overload(name, name, (0..arity).map(|_| DYN_TYPE).collect(), function)
            .expect("the library has no name twice");
    }
    env
}

pub(super) fn ok<'b, 'v>(value: impl Val + 'v) -> Answer<'b, 'v> {
    Ok(CowVal::owned(value))
}

pub(super) fn no_value<'b, 'v>() -> Answer<'b, 'v> {
    Err(ExecutionError::function_error("bib", "no value"))
}

pub(super) fn int(value: &CowVal<'_, '_>) -> Option<i64> {
    value.downcast_ref::<CelInt>().map(|i| *i.inner())
}

fn double(value: &CowVal<'_, '_>) -> Option<f64> {
    value.downcast_ref::<CelDouble>().map(|d| *d.inner())
}

fn time_of(micros: i64) -> Option<CelTimestamp> {
    scalar::time_of(micros).map(|time| CelTimestamp::from(time.fixed_offset()))
}

fn compare<'b, 'v>(args: &Args<'b, 'v>, accept: fn(Order) -> bool) -> Answer<'b, 'v> {
    order(&*args[0], &*args[1]).map_or_else(no_value, |order| ok(CelBool::from(accept(order))))
}

/// How two values stand to each other: none where one of them is NaN.
type Order = Option<Ordering>;

/// The order of two values of one type; no answer where one is null.
fn order(a: &(dyn Val + '_), b: &(dyn Val + '_)) -> Option<Order> {
    macro_rules! try_type {
        ($($ty:ty),*) => {$(
            if let (Some(a), Some(b)) = (a.downcast_ref::<$ty>(), b.downcast_ref::<$ty>()) {
                return Some(a.inner().partial_cmp(b.inner()));
            }
        )*};
    }
    try_type!(CelInt, CelDouble, CelString, CelBool, CelTimestamp, CelDuration, CelBytes);
    if let (Some(a), Some(b)) = (a.downcast_ref::<CelList>(), b.downcast_ref::<CelList>()) {
        return Some(lists(a, b));
    }
    // structs and maps: equal or not
    let maps = a.downcast_ref::<CelMap>().is_some() && b.downcast_ref::<CelMap>().is_some();
    maps.then(|| a.equals(b).then_some(Ordering::Equal))
}

/// Whether two lists are equal: their nulls are.
fn lists(a: &CelList<'_>, b: &CelList<'_>) -> Order {
    let is_null = |value: &dyn Val| value.downcast_ref::<CelNull>().is_some();
    let same = |a: &dyn Val, b: &dyn Val| is_null(a) && is_null(b) || order(a, b) == Some(Some(Ordering::Equal));
    let equal = a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a.as_ref(), b.as_ref()));
    equal.then_some(Ordering::Equal)
}

fn within<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let (needle, within) = (&args[0], &args[1]);
    if needle.downcast_ref::<CelNull>().is_some() {
        return no_value();
    }
    if let Some(map) = within.downcast_ref::<CelMap>() {
        let Some(key) = needle.downcast_ref::<CelString>() else { return no_value() };
        return ok(CelBool::from(map.inner().contains_key(&CelMapKey::from(key.inner()))));
    }
    let Some(list) = within.downcast_ref::<CelList>() else { return no_value() };
    let mut unknown = false;
    for item in list.iter() {
        match order(&**needle, item.as_ref()) {
            Some(Some(Ordering::Equal)) => return ok(CelBool::from(true)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    if unknown { no_value() } else { ok(CelBool::from(false)) }
}

/// A field of a struct; that of a missing struct is missing.
fn field<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let mut args = args.into_iter();
    let (Some(of), Some(name)) = (args.next(), args.next()) else { return no_value() };
    if of.downcast_ref::<CelNull>().is_some() {
        return ok(CelNull);
    }
    match of {
        CowVal::Borrowed(of) => of.as_indexer().map_or_else(no_value, |fields| fields.get(&*name)),
        CowVal::Owned(of) => {
            let fields = of.into_indexer();
            fields.map_or_else(no_value, |fields| fields.steal(&*name).map(CowVal::Owned))
        }
    }
}

/// A list of ints as one of doubles, and so the lists within.
fn doubles<'v>(value: &(dyn Val + 'v)) -> Box<dyn Val + 'v> {
    if let Some(list) = value.downcast_ref::<CelList>() {
        let items: Vec<Box<dyn Val + 'v>> = list.iter().map(|item| doubles(item.as_ref())).collect();
        return Box::new(CelList::from(items));
    }
    match value.downcast_ref::<CelInt>() {
        Some(int) => Box::new(CelDouble::from(*int.inner() as f64)),
        None => value.clone_as_boxed(),
    }
}

fn choose<'b, 'v>(args: Args<'b, 'v>, wanted: Ordering) -> Answer<'b, 'v> {
    let mut args = args.into_iter();
    let (Some(a), Some(b)) = (args.next(), args.next()) else { return no_value() };
    let a_is_nan = double(&a).is_some_and(f64::is_nan);
    match order(&*a, &*b) {
        Some(order) if order == Some(wanted) || order == Some(Ordering::Equal) || a_is_nan => Ok(a),
        Some(_) => Ok(b),
        None => no_value(),
    }
}

fn timestamp<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.into_iter().next() else { return no_value() };
    if let Some(text) = value.downcast_ref::<CelString>() {
        return scalar::parse_timestamp(text.inner()).and_then(time_of).map_or_else(no_value, ok);
    }
    if let Some(seconds) = int(&value) {
        return seconds.checked_mul(1_000_000).and_then(time_of).map_or_else(no_value, ok);
    }
    Ok(value)
}

/// A date is the timestamp of its midnight.
fn date<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    const DAY: i64 = 86_400_000_000;
    if let Some(text) = args[0].downcast_ref::<CelString>() {
        let midnight = scalar::parse_date(text.inner()).map(|days| i64::from(days) * DAY);
        return midnight.and_then(time_of).map_or_else(no_value, ok);
    }
    let Some(time) = args[0].downcast_ref::<CelTimestamp>() else { return no_value() };
    let midnight = time.inner().timestamp_micros().div_euclid(DAY) * DAY;
    time_of(midnight).map_or_else(no_value, ok)
}

/// The text of a date.
fn day<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    match args[0].downcast_ref::<CelTimestamp>() {
        Some(time) => ok(CelString::from(time.inner().format("%Y-%m-%d").to_string())),
        None => no_value(),
    }
}

fn duration<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.into_iter().next() else { return no_value() };
    match value.downcast_ref::<CelString>() {
        Some(text) => scalar::parse_duration(text.inner())
            .map_or_else(no_value, |us| ok(CelDuration::from(chrono::Duration::microseconds(us)))),
        None => Ok(value),
    }
}

fn string<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.into_iter().next() else { return no_value() };
    let text = if let Some(i) = int(&value) {
        i.to_string()
    } else if let Some(d) = double(&value) {
        scalar::format_double(d)
    } else if let Some(b) = value.downcast_ref::<CelBool>() {
        b.inner().to_string()
    } else if let Some(time) = value.downcast_ref::<CelTimestamp>() {
        scalar::format_timestamp(time.inner().timestamp_micros())
    } else if value.downcast_ref::<CelString>().is_some() {
        return Ok(value);
    } else {
        return no_value();
    };
    ok(CelString::from(text))
}

fn boolean<'b, 'v>(args: Args<'b, 'v>) -> Answer<'b, 'v> {
    let Some(value) = args.into_iter().next() else { return no_value() };
    match value.downcast_ref::<CelString>() {
        Some(text) => scalar::parse_bool(text.inner()).map_or_else(no_value, |b| ok(CelBool::from(b))),
        None if value.downcast_ref::<CelBool>().is_some() => Ok(value),
        None => no_value(),
    }
}
