//! Text to values and back, one value at a time: what `int("5")`, `timestamp("...")` and a field of a CSV file mean.
//! Pure; the scan, the checker, the vectorized functions and the interpreter all use these, so they agree.

use arrow::compute::kernels::cast_utils::string_to_datetime;
use chrono::{DateTime, Datelike, NaiveDate, Utc};

/// Days from 0001-01-01 to 1970-01-01.
const UNIX_EPOCH_DAYS: i32 = 719_163;

/// The first microsecond of the year 1 and the last of the year 9999.
const YEAR_1: i64 = -62_135_596_800_000_000;
const YEAR_9999: i64 = 253_402_300_799_999_999;

pub(crate) fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

pub(crate) fn parse_double(text: &str) -> Option<f64> {
    text.parse().ok()
}

pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `2013-01-31`, as days since 1970.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    // chrono takes more spellings than a date column should
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let part = |range: std::ops::Range<usize>| {
        let digits = &bytes[range];
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0_u32, |n, d| n * 10 + u32::from(d - b'0')))
    };
    let date = NaiveDate::from_ymd_opt(i32::try_from(part(0..4)?).ok()?, part(5..7)?, part(8..10)?)?;
    Some(date.num_days_from_ce() - UNIX_EPOCH_DAYS)
}

/// RFC 3339, a blank for the `T` and no zone (then UTC) allowed, as microseconds since 1970.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let plausible = bytes.len() >= 10 && bytes[0].is_ascii_digit() && bytes[4] == b'-' && bytes[7] == b'-';
    if !plausible {
        return None;
    }
    string_to_datetime(&Utc, text).ok().map(|time| time.timestamp_micros()).filter(|us| time_of(*us).is_some())
}

/// `1h30m`, `-2.5s`: numbers with the units h, m, s, ms, us and ns, as microseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    if rest.is_empty() {
        return None;
    }
    let mut micros = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|&at| at > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, scale) = [("ms", 1e3), ("us", 1.0), ("ns", 1e-3), ("h", 3.6e9), ("m", 6e7), ("s", 1e6)]
            .into_iter()
            .find(|(unit, _)| rest.starts_with(unit))?;
        micros += number * scale;
        rest = &rest[unit.len()..];
    }
    let micros = (sign * micros).round();
    Some(micros as i64).filter(|us| is_span(*us))
}

/// Whether a duration of so many microseconds can be counted in nanoseconds, as CEL does: 292 years.
pub(crate) fn is_span(micros: i64) -> bool {
    micros.unsigned_abs() <= (i64::MAX / 1_000) as u64
}

pub(crate) fn format_double(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// RFC 3339 in UTC, without trailing zeros of the second's fraction.
pub(crate) fn format_timestamp(micros: i64) -> String {
    let Some(time) = time_of(micros) else { return micros.to_string() };
    let fraction = time.timestamp_subsec_micros();
    let base = time.format("%Y-%m-%dT%H:%M:%S");
    if fraction == 0 {
        format!("{base}Z")
    } else {
        format!("{base}.{}Z", format!("{fraction:06}").trim_end_matches('0'))
    }
}

pub(crate) fn format_date(days: i32) -> String {
    match NaiveDate::from_num_days_from_ce_opt(days.saturating_add(UNIX_EPOCH_DAYS)) {
        Some(date) => date.format("%Y-%m-%d").to_string(),
        None => days.to_string(),
    }
}

/// The point in time, for its parts; none outside of the years 1 to 9999, as in CEL.
pub(crate) fn time_of(micros: i64) -> Option<DateTime<Utc>> {
    (YEAR_1..=YEAR_9999).contains(&micros).then(|| DateTime::from_timestamp_micros(micros)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_and_times() {
        assert_eq!(parse_date("1970-01-02"), Some(1));
        assert_eq!(parse_date("2013-02-29"), None);
        assert_eq!(parse_date("2013-1-2"), None);
        assert_eq!(parse_timestamp("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(parse_timestamp("1970-01-01 00:00:01"), Some(1_000_000));
        assert_eq!(parse_timestamp("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse_timestamp("tomorrow"), None);
        assert_eq!(format_timestamp(1_500_000), "1970-01-01T00:00:01.5Z");
        assert_eq!(format_date(15_736), "2013-01-31");
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1h30m"), Some(5_400_000_000));
        assert_eq!(parse_duration("-2.5s"), Some(-2_500_000));
        assert_eq!(parse_duration("10ms5us"), Some(10_005));
        for bad in ["", "-", "5", "h", "1 h", "1d", "1.2.3s"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn times_survive_their_text(micros in -62_000_000_000_000_000_i64..250_000_000_000_000_000) {
            prop_assert_eq!(parse_timestamp(&format_timestamp(micros)), Some(micros));
        }

        #[test]
        fn dates_survive_their_text(days in -700_000_i32..2_900_000) {
            prop_assert_eq!(parse_date(&format_date(days)), Some(days));
        }
    }
}
