//! What `--jq` has beside the core of the language: which definitions of the standard library are whole here, and
//! natives for regular expressions and times.

use chrono::{DateTime, SecondsFormat};
use jaq_core::data::JustLut;
use jaq_core::native::{Filter as Native, Fun, bome, run, unary, v};
use jaq_core::{Cv, Error, RunPtr, ValR};
use jaq_json::Val;

/// Definitions whose natives are not built in.
const WITHOUT_NATIVES: [&str; 24] = [
    "stderr",
    "debug",
    "halt",
    "halt_error",
    "logb",
    "significand",
    "pow10",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "test",
    "scan_",
    "match",
    "capture",
    "splits",
    "sub",
    "gsub",
    "scan",
    "todate",
    "fromdate",
    "@sh",
    "@uri",
    "@urid",
];

type Data = JustLut<Val>;

/// Whether all that a definition of the standard library uses is there.
pub(super) fn is_whole(name: &str, arguments: usize) -> bool {
    let regular = name == "split" && arguments == 2;
    let format = ["@html", "@base64"].iter().any(|format| name.starts_with(format));
    !(regular || format || WITHOUT_NATIVES.contains(&name))
}

/// The natives that are made here.
pub(super) fn natives() -> impl Iterator<Item = Fun<Data>> {
    let all: [Native<RunPtr<Data>>; 5] = [
        ("test", v(1), |cv| unary(cv, |text, pattern| test(&text, &pattern, ""))),
        ("test", v(2), |mut cv: Cv<'_, Data>| {
            let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
            bome(text_of(&flags).and_then(|flags| test(&cv.1, &pattern, &flags)))
        }),
        ("now", v(0), |_| bome(Ok(seconds(crate::now_ms() / 1000)))),
        ("todate", v(0), |cv| bome(to_date(&cv.1))),
        ("fromdate", v(0), |cv| bome(from_date(&cv.1))),
    ];
    all.into_iter().map(run::<Data>)
}

fn seconds(seconds: i64) -> Val {
    Val::from(isize::try_from(seconds).unwrap_or(isize::MAX))
}

fn text_of(value: &Val) -> Result<String, Error<Val>> {
    match value {
        Val::TStr(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        other => Err(Error::str(format_args!("{other} is no text"))),
    }
}

fn test(text: &Val, pattern: &Val, flags: &str) -> ValR<Val> {
    let (text, pattern) = (text_of(text)?, text_of(pattern)?);
    let unknown = flags.chars().find(|flag| !"gixs".contains(*flag));
    if let Some(flag) = unknown {
        return Err(Error::str(format_args!("{flag:?} is no flag of a regular expression")));
    }
    let built = regex::RegexBuilder::new(&pattern)
        .case_insensitive(flags.contains('i'))
        .ignore_whitespace(flags.contains('x'))
        .dot_matches_new_line(flags.contains('s'))
        .build();
    match built {
        Ok(built) => Ok(Val::Bool(built.is_match(&text))),
        Err(error) => Err(Error::str(format_args!("{error}"))),
    }
}

fn to_date(value: &Val) -> ValR<Val> {
    let number = value.to_string().parse::<f64>().ok();
    #[expect(clippy::cast_possible_truncation, reason = "a time beyond the range is refused by chrono")]
    let time = number.and_then(|number| DateTime::from_timestamp(number.floor() as i64, 0));
    match time {
        Some(time) => Ok(Val::from(time.to_rfc3339_opts(SecondsFormat::Secs, true))),
        None => Err(Error::str(format_args!("{value} is no time in seconds"))),
    }
}

fn from_date(value: &Val) -> ValR<Val> {
    let text = text_of(value)?;
    match DateTime::parse_from_rfc3339(&text) {
        Ok(time) => Ok(seconds(time.timestamp())),
        Err(error) => Err(Error::str(format_args!("{text:?} is no time: {error}"))),
    }
}
