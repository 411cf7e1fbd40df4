//! The type of a CSV column from all of its values: a type holds for every value or is widened. Pure.

use bib_chunks::ColumnType;

use crate::row::scalar;
use crate::table::is_missing_word;

/// What was seen in a column so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Guess {
    seen: u8,
    pub(super) missing: bool,
    /// Whether a word was there that means a missing value among numbers, and itself among texts.
    word: bool,
}

const INT: u8 = 1;
/// Whole numbers that are no int as they are written: of more than 64 bits, or with a plus sign before many digits.
const BIG: u8 = 2;
const DOUBLE: u8 = 4;
const BOOL: u8 = 8;
const DATE: u8 = 16;
const TIMESTAMP: u8 = 32;
const TEXT: u8 = 64;

/// Digits behind a plus sign from which on it is a telephone number rather than a change.
const PHONE_DIGITS: usize = 7;

impl Guess {
    /// Takes a value into account that is not missing.
    pub(super) fn see(&mut self, text: &str) {
        // text stays text
        if self.seen & TEXT != 0 {
            return;
        }
        if is_missing_word(text.as_bytes()) {
            self.word = true;
        } else {
            self.seen |= kind(text);
        }
    }

    /// Whether a value of the column is missing.
    pub(super) fn nullable(self) -> bool {
        self.missing || (self.word && self.column_type() != ColumnType::String)
    }

    /// The type that all values have.
    pub(super) fn column_type(self) -> ColumnType {
        match self.seen {
            INT => ColumnType::Int,
            seen if seen & DOUBLE != 0 && seen & !(INT | BIG | DOUBLE) == 0 => ColumnType::Double,
            BOOL => ColumnType::Bool,
            DATE => ColumnType::Date,
            seen if seen & TIMESTAMP != 0 && seen & !(DATE | TIMESTAMP) == 0 => ColumnType::Timestamp,
            _ => ColumnType::String,
        }
    }
}

fn kind(text: &str) -> u8 {
    let bytes = text.as_bytes();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() {
        // 007 is a code, not a number: its zeros would be lost
        return match digits.len() > 1 && digits.starts_with('0') {
            true => TEXT,
            false if text.starts_with('+') && digits.len() < PHONE_DIGITS => DOUBLE,
            false if !text.starts_with('+') && scalar::parse_int(text).is_some() => INT,
            false if is_finite(text) => BIG,
            false => TEXT,
        };
    }
    if scalar::parse_bool(text).is_some() {
        return BOOL;
    }
    if bytes.len() >= 10 && bytes[4] == b'-' {
        if scalar::parse_date(text).is_some() {
            return DATE;
        }
        if scalar::parse_timestamp(text).is_some() {
            return TIMESTAMP;
        }
    }
    // 1e400 would become infinite, which only a word may say
    if is_finite(text) || (scalar::parse_double(text).is_some() && !text.bytes().any(|b| b.is_ascii_digit())) {
        DOUBLE
    } else {
        TEXT
    }
}

fn is_finite(text: &str) -> bool {
    scalar::parse_double(text).is_some_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn guess(values: &[&str]) -> ColumnType {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.see(value));
        guess.column_type()
    }

    #[test]
    fn types_hold_for_all_values_or_widen() {
        assert_eq!(guess(&["1", "-5", "0"]), ColumnType::Int);
        assert_eq!(guess(&["1", "2.5"]), ColumnType::Double);
        assert_eq!(guess(&["1e3", "-.5", "inf"]), ColumnType::Double);
        assert_eq!(guess(&["1", "x"]), ColumnType::String);
        assert_eq!(guess(&["007", "12"]), ColumnType::String);
        assert_eq!(guess(&["99999999999999999999"]), ColumnType::String);
        assert_eq!(guess(&["99999999999999999999", "0.5"]), ColumnType::Double);
        assert_eq!(guess(&["+9007199254740993", "1"]), ColumnType::String, "a double would lose a digit");
        assert_eq!(guess(&["+49", "-1.5"]), ColumnType::Double);
        assert_eq!(guess(&["+1", "-2", "0", "+3"]), ColumnType::Double);
        assert_eq!(guess(&["+999999", "1"]), ColumnType::Double);
        assert_eq!(guess(&["+1234567", "1"]), ColumnType::String);
        assert_eq!(guess(&["+007"]), ColumnType::String);
        assert_eq!(guess(&["TRUE", "false"]), ColumnType::Bool);
        assert_eq!(guess(&["true", "1"]), ColumnType::String);
        assert_eq!(guess(&["2013-01-31"]), ColumnType::Date);
        assert_eq!(guess(&["2013-01-31", "2013-01-31T05:00:00Z"]), ColumnType::Timestamp);
        assert_eq!(guess(&["2013-01-31", "1"]), ColumnType::String);
        assert_eq!(guess(&["2013-13-01"]), ColumnType::String);
        assert_eq!(guess(&[]), ColumnType::String);
        assert_eq!(guess(&["1e400"]), ColumnType::String, "it would become infinite");
        assert_eq!(guess(&["0.5", &"9".repeat(400)]), ColumnType::String);
        for written in
            ["1,234.5", "1.234,5", "2,5", "1 000", "$5", "5%", "0x1F", "1_000", " 1", "31/01/2013", "31.01.2013"]
        {
            assert_eq!(guess(&["1", written]), ColumnType::String, "{written} is kept as it is written");
        }
        assert_eq!(guess(&["20130131"]), ColumnType::Int);
        assert_eq!(guess(&["2013-01-31 05:00:00", "2013-01-31T05:00:00.5+02:00"]), ColumnType::Timestamp);
    }

    #[test]
    fn words_for_missing_values_count_among_numbers_only() {
        let seen = |values: &[&str]| {
            let mut guess = Guess::default();
            values.iter().for_each(|value| guess.see(value));
            (guess.column_type(), guess.nullable())
        };
        for word in ["NULL", "null", "None", "N/A", "\\N"] {
            assert_eq!(seen(&["1", word]), (ColumnType::Int, true));
            assert_eq!(seen(&[word, "2013-01-31"]), (ColumnType::Date, true));
            assert_eq!(seen(&["Alice", word]), (ColumnType::String, false));
            assert_eq!(seen(&[word]), (ColumnType::String, false));
        }
    }

    proptest! {
        #[test]
        fn order_does_not_matter(mut values in prop::collection::vec("[0-9a-z.-]{0,12}", 0..8)) {
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            let before = guess(&texts);
            values.sort();
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            prop_assert_eq!(guess(&texts), before);
        }

        #[test]
        fn every_value_can_be_read_as_the_type(values in prop::collection::vec("(-?[0-9]{1,20}(\\.[0-9]{0,3})?|true|NaN)", 1..8)) {
            let texts: Vec<&str> = values.iter().map(String::as_str).collect();
            let fits: fn(&str) -> bool = match guess(&texts) {
                ColumnType::Int => |s| scalar::parse_int(s).is_some(),
                ColumnType::Double => |s| scalar::parse_double(s).is_some(),
                ColumnType::Bool => |s| scalar::parse_bool(s).is_some(),
                _ => |_| true,
            };
            prop_assert!(texts.iter().all(|s| fits(s)));
        }
    }
}
