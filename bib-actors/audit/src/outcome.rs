//! How an operation stands when its record is written.

use std::fmt;
use std::str::FromStr;

/// How an operation stands when its record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Outcome {
    /// It is about to be tried: the record that is written ahead of a change.
    Intent,
    /// It was done.
    #[default]
    Ok,
    /// It was not allowed or not possible, and nothing changed.
    Refused,
    /// It broke off; what it changed is not known from this record.
    Failed,
}

impl Outcome {
    /// All outcomes, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Intent, Self::Ok, Self::Refused, Self::Failed];

    /// The number that stands in the record.
    #[must_use]
    pub const fn code(self) -> u64 {
        match self {
            Self::Intent => 0,
            Self::Ok => 1,
            Self::Refused => 2,
            Self::Failed => 3,
        }
    }

    /// The outcome of a number from a record.
    #[must_use]
    pub fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// The word used in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Outcome {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not an outcome: use intent, ok, refused or failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_words_lead_back() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
            assert_eq!(outcome.as_str().parse(), Ok(outcome));
        }
        assert_eq!(Outcome::from_code(4), None);
        assert!("done".parse::<Outcome>().is_err());
    }
}
