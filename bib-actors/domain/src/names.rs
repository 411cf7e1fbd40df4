//! Names of topics, datasets and nodes, and what may stand in them.

use std::fmt;
use std::str::FromStr;

/// The longest topic or dataset name, in bytes: both together fit one file name on every file system.
pub const NAME_MAX_BYTES: usize = 100;

/// A name that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has no characters.
    #[error("a {what} name is empty: use 1 to {NAME_MAX_BYTES} of a-z, 0-9, '.', '_' and '-'")]
    Empty {
        /// Which kind of name.
        what: &'static str,
    },
    /// The name is longer than [`NAME_MAX_BYTES`].
    #[error("{what} name {name:?} is {} bytes long: at most {NAME_MAX_BYTES} fit", name.len())]
    TooLong {
        /// Which kind of name.
        what: &'static str,
        /// What was given.
        name: String,
    },
    /// The name has a character that is not allowed.
    #[error(
        "{what} name {name:?} has {bad:?} in it: use a-z, 0-9, '.', '_' and '-', and begin with a letter or a digit"
    )]
    BadCharacter {
        /// Which kind of name.
        what: &'static str,
        /// What was given.
        name: String,
        /// The first character that is not allowed.
        bad: char,
    },
    /// A dataset was named without its topic.
    #[error("{name:?} does not name a dataset: write TOPIC/DATASET, for example flights/2013")]
    NoTopic {
        /// What was given.
        name: String,
    },
    /// A text that is not a peer id.
    #[error("{name:?} is not a node id: expected a peer id such as 12D3KooW...")]
    NotANode {
        /// What was given.
        name: String,
    },
}

fn check(what: &'static str, name: &str) -> Result<(), NameError> {
    let Some(first) = name.chars().next() else { return Err(NameError::Empty { what }) };
    if name.len() > NAME_MAX_BYTES {
        return Err(NameError::TooLong { what, name: name.to_owned() });
    }
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    let bad = if first.is_ascii_lowercase() || first.is_ascii_digit() {
        name.chars().find(|&c| !fine(c))
    } else {
        Some(first)
    };
    match bad {
        Some(bad) => Err(NameError::BadCharacter { what, name: name.to_owned(), bad }),
        None => Ok(()),
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check($what, text)?;
                Ok(Self(text.to_owned()))
            }
        }
    };
}

name_type! {
    /// The name of a topic: lower-case ASCII letters, digits, `.`, `_` and `-`.
    TopicName, "topic"
}
name_type! {
    /// The name of a dataset within its topic: same alphabet as a topic's.
    DatasetName, "dataset"
}

/// A dataset's full name, written `topic/dataset`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetRef {
    /// The topic that the dataset belongs to.
    pub topic: TopicName,
    /// Its name within the topic.
    pub name: DatasetName,
}

impl fmt::Display for DatasetRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.name)
    }
}

impl FromStr for DatasetRef {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some((topic, name)) = text.split_once('/') else {
            return Err(NameError::NoTopic { name: text.to_owned() });
        };
        Ok(Self { topic: topic.parse()?, name: name.parse()? })
    }
}

/// A node's id: the libp2p peer id of its Ed25519 key, in base58 text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(String);

impl NodeId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last eight characters, for people (the first ones are the same for every Ed25519 key).
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[self.0.len().saturating_sub(8)..]
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for NodeId {
    type Err = NameError;

    /// Checks the alphabet and the length only; the swarm parses the multihash.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let base58 = |c: char| c.is_ascii_alphanumeric() && !matches!(c, '0' | 'O' | 'I' | 'l');
        if (40..=64).contains(&text.len()) && text.chars().all(base58) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::NotANode { name: text.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_good_names() {
        for name in ["flights", "2013", "a", "era5-land_v2.1", &"x".repeat(NAME_MAX_BYTES)] {
            assert!(name.parse::<TopicName>().is_ok(), "{name}");
        }
        let dataset: DatasetRef = "flights/2013".parse().unwrap();
        assert_eq!(dataset.to_string(), "flights/2013");
    }

    #[test]
    fn refuses_what_cannot_be_kept() {
        for name in ["", "..", ".hidden", "-flag", "A", "a b", "a/b", "naïve", "a\n", &"x".repeat(101)] {
            assert!(name.parse::<TopicName>().is_err(), "{name:?} was kept");
        }
        for name in ["flights", "/2013", "flights/", "a/b/c"] {
            assert!(name.parse::<DatasetRef>().is_err(), "{name:?} was kept");
        }
    }
}
