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
}
