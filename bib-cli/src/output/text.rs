//! Sizes, counts and times for people.

use chrono::{DateTime, Utc};
use console::measure_text_width;
use std::time::Duration;

/// Bytes in binary units: `1.4GiB`.
#[must_use]
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if number < 1024 {
        return format!("{number}B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let mut value = number as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1}{}", UNITS[unit])
}

/// A number with a comma every three digits.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with the word for what is counted: `1 file`, `2,000 files`.
#[must_use]
pub(crate) fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Breaks `text` between words into lines of at most `width` columns, each after the first behind `indent`.
#[must_use]
pub(crate) fn wrap(text: &str, width: usize, indent: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.trim().is_empty() {
            if measure_text_width(&line) + 1 + measure_text_width(word) > width {
                lines.push(std::mem::replace(&mut line, indent.to_owned()));
            } else {
                line.push(' ');
            }
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}

/// Unix milliseconds as RFC 3339 in UTC; empty for zero.
#[must_use]
pub(crate) fn rfc3339(unix_ms: i64) -> String {
    match DateTime::<Utc>::from_timestamp_millis(unix_ms) {
        Some(time) if unix_ms != 0 => time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        _ => String::new(),
    }
}

/// How long ago: `3s`, `5m`, `2h`, `9d`; empty for zero.
#[must_use]
pub(crate) fn age(unix_ms: i64, now_ms: i64) -> String {
    if unix_ms == 0 {
        return String::new();
    }
    let seconds = (now_ms - unix_ms).max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A duration in the unit that suits it.
#[must_use]
pub(crate) fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        assert_eq!(bytes(0), "0B");
        assert_eq!(bytes(1023), "1023B");
        assert_eq!(bytes(1536), "1.5KiB");
        assert_eq!(bytes(1 << 30), "1.0GiB");
        assert_eq!(bytes((1 << 20) - 1), "1.0MiB");
        assert_eq!(count(336_776), "336,776");
        assert_eq!(count(12), "12");
        assert_eq!((counted(1, "file"), counted(3000, "file")), ("1 file".to_owned(), "3,000 files".to_owned()));
        assert_eq!(wrap("one two three four", 9, "  "), "one two\n  three\n  four");
        assert_eq!(rfc3339(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(age(1000, 4000), "3s");
        assert_eq!(age(0, 4000), "");
    }
}
