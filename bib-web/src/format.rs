//! Numbers, sizes and times as people read them.

use chrono::{DateTime, SecondsFormat, Utc};

/// Milliseconds since 1970, by the wall clock: for ages of what is shown, never for decisions.
pub(crate) fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// `336,776`
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 file`, `3 files`
pub(crate) fn counted(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(number))
}

/// `1.4 GiB`
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    let (mut value, mut unit) = (number as f64 / 1024.0, 0);
    // what would be printed as 1024 is one of the next
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Per cent of a whole, rounded down, so that 100 means all.
pub(crate) fn percent(done: u64, total: u64) -> u64 {
    if total == 0 { 0 } else { u64::try_from(u128::from(done) * 100 / u128::from(total)).unwrap_or(100).min(100) }
}

/// The end of a node's id, or the beginning of a hash: enough to tell it from others.
pub(crate) fn short(id: &str) -> String {
    match id.split_once(':') {
        Some((_, hash)) => hash.chars().take(12).collect(),
        None => {
            let skip = id.chars().count().saturating_sub(8);
            let tail: String = id.chars().skip(skip).collect();
            if skip > 0 { format!("…{tail}") } else { tail }
        }
    }
}

/// A point in time: for machines, for people, and its age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct When {
    /// RFC 3339; empty if there was none.
    pub(crate) iso: String,
    /// `2026-11-25 03:12:08 UTC`
    pub(crate) full: String,
    /// `3 min ago`
    pub(crate) age: String,
}

impl When {
    /// The time of some Unix milliseconds; 0 is no time.
    pub(crate) fn new(ms: i64) -> Self {
        Self::at(ms, now_ms())
    }

    fn at(ms: i64, now_ms: i64) -> Self {
        let Some(time) = DateTime::<Utc>::from_timestamp_millis(ms).filter(|_| ms != 0) else {
            return Self { age: "never".to_owned(), ..Self::default() };
        };
        Self {
            iso: time.to_rfc3339_opts(SecondsFormat::Millis, true),
            full: time.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            age: age((now_ms - ms) / 1000),
        }
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        ..=4 => "just now".to_owned(),
        5..=99 => format!("{seconds} s ago"),
        100..=5_999 => format!("{} min ago", seconds / 60),
        6_000..=172_799 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// How long something has lasted: `3 d 4 h`, `12 min`.
pub(crate) fn lasting(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match (minutes / 1440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A round trip: `0.8 ms`; empty if it was not measured.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn round_trip(us: u64) -> String {
    if us == 0 { String::new() } else { format!("{:.1} ms", us as f64 / 1000.0) }
}

/// A part of an address that stands between slashes or after `=`.
pub(crate) fn part(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1000), count(336_776)], ["0", "999", "1,000", "336,776"]);
        assert_eq!([counted(1, "file"), counted(2, "file")], ["1 file", "2 files"]);
        assert_eq!([bytes(0), bytes(1023), bytes(1536)], ["0 B", "1023 B", "1.5 KiB"]);
        assert_eq!([bytes(1_048_575), bytes(u64::MAX)], ["1.0 MiB", "16.0 EiB"]);
        assert_eq!([percent(0, 0), percent(999, 1000), percent(5, 5)], [0, 99, 100]);
    }

    #[test]
    fn times_have_an_age() {
        let at = |ago: i64| When::at(1_700_000_000_000 - ago * 1000, 1_700_000_000_000).age;
        assert_eq!(
            [at(0), at(30), at(300), at(7200), at(200_000)],
            ["just now", "30 s ago", "5 min ago", "2 h ago", "2 days ago"]
        );
        assert_eq!(When::new(0).age, "never");
        assert_eq!(When::at(1_700_000_000_123, 0).iso, "2023-11-14T22:13:20.123Z");
        assert_eq!([lasting(59_000), lasting(3_660_000), lasting(100_000_000)], ["0 min", "1 h 1 min", "1 d 3 h"]);
    }

    #[test]
    fn ids_are_shortened() {
        assert_eq!(short("12D3KooWQNV9yRv3yvVj"), "…yRv3yvVj");
        assert_eq!(short("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(part("a b/c%d+"), "a%20b%2Fc%25d%2B");
    }
}
