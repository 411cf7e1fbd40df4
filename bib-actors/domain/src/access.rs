//! Roles of people and what each may do.

use std::fmt;
use std::str::FromStr;

/// A person's role on a node. Each includes what the ones after it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads topics and datasets.
    Reader,
    /// Also puts datasets in and runs queries and jobs.
    Researcher,
    /// Also manages topics, peers and subscriptions.
    Operator,
    /// Also reads the audit log and manages people and the node.
    Admin,
}

impl Role {
    /// The word used in the database and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Researcher => "researcher",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Whether this role includes `needed`.
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        self >= needed
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "reader" => Ok(Self::Reader),
            "researcher" => Ok(Self::Researcher),
            "operator" => Ok(Self::Operator),
            "admin" => Ok(Self::Admin),
            _ => Err(format!("{text:?} is not a role: use admin, operator, researcher or reader")),
        }
    }
}

/// What a session or an invitation may claim to have been made after the present moment, in milliseconds: clocks are
/// corrected by a little. More means that it was made while the clock was wrong, and its end is as wrong as its beginning.
pub const CLOCK_SKEW_MS: i64 = 60_000;

/// Whether something made at `created_ms` and good until `expires_ms` is good at `now_ms`.
#[must_use]
pub const fn is_current(created_ms: i64, expires_ms: i64, now_ms: i64) -> bool {
    created_ms <= now_ms.saturating_add(CLOCK_SKEW_MS) && now_ms < expires_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_include_the_lower_ones() {
        let roles = [Role::Reader, Role::Researcher, Role::Operator, Role::Admin];
        for (i, role) in roles.iter().enumerate() {
            for (j, needed) in roles.iter().enumerate() {
                assert_eq!(role.allows(*needed), i >= j, "{role} for {needed}");
            }
            assert_eq!(role.as_str().parse(), Ok(*role));
        }
    }

    #[test]
    fn what_was_made_by_a_wrong_clock_is_not_good() {
        let year = 365 * 24 * 3_600_000_i64;
        assert!(is_current(1_000, 2_000, 1_500));
        assert!(!is_current(1_000, 2_000, 2_000), "it has ended");
        assert!(is_current(1_030_000, 9_000_000, 1_000_000), "a small correction");
        assert!(!is_current(10 * year, 10 * year + 1_000, 1_000), "it would last for years");
    }
}
