//! Who may log in: the configuration says it, and what the catalogue kept of earlier configurations follows.

use crate::Role;
use std::collections::{BTreeMap, HashMap};

/// A key, and who comes in with it as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// The key's fingerprint, `SHA256:...`.
    pub fingerprint: String,
    /// The person's name.
    pub user: String,
    /// What they may do.
    pub role: Role,
}

/// What makes the catalogue say what the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The key opens nothing any more, and sessions that it opened end.
    Remove(String),
    /// The key at this place of the wanted ones is given, or its person's role.
    Set(usize),
}

/// Two entries that cannot both be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// One key of two people.
    #[error("its key belongs to user {other:?} already")]
    Key {
        /// At which place the second one stands.
        at: usize,
        /// Whose it is by the first.
        other: String,
    },
    /// One person with two roles.
    #[error("it is {first} in one entry and {second} in another; keys of one person have one role")]
    Role {
        /// At which place the second one stands.
        at: usize,
        /// What the first says.
        first: Role,
        /// What the second says.
        second: Role,
    },
}

impl Contradiction {
    /// The place of the later entry.
    #[must_use]
    pub const fn at(&self) -> usize {
        match self {
            Self::Key { at, .. } | Self::Role { at, .. } => *at,
        }
    }
}

/// What is to be done so that `known` becomes `wanted`; what is taken away comes first.
///
/// # Errors
/// When two of the wanted ones contradict each other.
pub fn steps(known: &[Keyed], wanted: &[Keyed]) -> Result<Vec<Step>, Contradiction> {
    let mut keys: HashMap<&str, &Keyed> = HashMap::new();
    let mut roles: BTreeMap<&str, Role> = BTreeMap::new();
    for (at, one) in wanted.iter().enumerate() {
        if let Some(other) = keys.insert(&one.fingerprint, one).filter(|other| other.user != one.user) {
            return Err(Contradiction::Key { at, other: other.user.clone() });
        }
        let first = *roles.entry(&one.user).or_insert(one.role);
        if first != one.role {
            return Err(Contradiction::Role { at, first, second: one.role });
        }
    }
    let stays = |one: &Keyed| keys.get(&*one.fingerprint).is_some_and(|wanted| wanted.user == one.user);
    let gone = known.iter().filter(|one| !stays(one)).map(|one| Step::Remove(one.fingerprint.clone()));
    let new = wanted.iter().enumerate().filter(|(_, one)| !known.contains(one)).map(|(at, _)| Step::Set(at));
    Ok(gone.chain(new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keyed(fingerprint: &str, user: &str, role: Role) -> Keyed {
        Keyed { fingerprint: fingerprint.to_owned(), user: user.to_owned(), role }
    }

    #[test]
    fn what_is_not_wanted_any_more_goes_first() {
        let known = [keyed("1", "ada", Role::Admin), keyed("2", "eve", Role::Admin), keyed("3", "otto", Role::Admin)];
        let wanted =
            [keyed("1", "ada", Role::Admin), keyed("3", "otto", Role::Reader), keyed("4", "otto", Role::Reader)];
        assert_eq!(steps(&known, &wanted), Ok(vec![Step::Remove("2".to_owned()), Step::Set(1), Step::Set(2)]));
        assert_eq!(steps(&wanted, &wanted), Ok(Vec::new()));
        assert_eq!(steps(&known, &[]).unwrap().len(), 3);
        let handed_on = [keyed("1", "bea", Role::Reader)];
        assert_eq!(steps(&known[..1], &handed_on), Ok(vec![Step::Remove("1".to_owned()), Step::Set(0)]));
    }

    #[test]
    fn entries_that_contradict_each_other_are_named() {
        let two = [keyed("1", "ada", Role::Admin), keyed("1", "eve", Role::Admin)];
        assert_eq!(steps(&[], &two), Err(Contradiction::Key { at: 1, other: "ada".to_owned() }));
        let roles = [keyed("1", "ada", Role::Admin), keyed("2", "ada", Role::Reader)];
        let error = steps(&[], &roles).unwrap_err();
        assert_eq!((error.at(), &error), (1, &Contradiction::Role { at: 1, first: Role::Admin, second: Role::Reader }));
        assert!(steps(&[], &[two[0].clone(), two[0].clone()]).is_ok(), "the same twice is no contradiction");
    }

    fn some() -> impl Strategy<Value = Vec<Keyed>> {
        let one = (0_u8..6, 0_u8..3).prop_map(|(key, user)| {
            let role = if user == 0 { Role::Admin } else { Role::Reader };
            keyed(&key.to_string(), &user.to_string(), role)
        });
        proptest::collection::vec(one, 0..6)
    }

    proptest! {
        /// After the steps everybody who is wanted comes in, as what is wanted, and nobody else does.
        #[test]
        fn the_catalogue_says_what_is_wanted(known in some(), wanted in some()) {
            let mut kept: BTreeMap<String, Keyed> = known.iter().map(|one| (one.fingerprint.clone(), one.clone())).collect();
            let known: Vec<Keyed> = kept.values().cloned().collect();
            if let Ok(steps) = steps(&known, &wanted) {
                for step in steps {
                    match step {
                        Step::Remove(fingerprint) => drop(kept.remove(&fingerprint)),
                        Step::Set(at) => drop(kept.insert(wanted[at].fingerprint.clone(), wanted[at].clone())),
                    }
                }
                let asked: BTreeMap<String, Keyed> =
                    wanted.iter().map(|one| (one.fingerprint.clone(), one.clone())).collect();
                prop_assert_eq!(kept, asked);
            }
        }
    }
}
