//! Whether the catalogue is the one that the node's files belong to: chunks and manifests that no catalogue names are removed,
//! so a catalogue that was lost, or is older than the files, must not decide what is not needed.

use std::fmt;
use std::str::FromStr;

/// Which catalogue it is, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// A number that the catalogue got by chance when it was made; 0 if it could not get one yet.
    pub catalog: u64,
    /// The position of its last entry; it only grows.
    pub position: u64,
}

/// What is kept beside the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The catalogue as it was last seen.
    pub mark: Mark,
    /// Another one was seen since: who decides that it is the right one takes the note away.
    pub doubted: bool,
}

/// Why the catalogue is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// There are chunks or manifests, and nothing was ever in the catalogue.
    #[error("the catalogue is empty, and there are chunks or manifests on the disk")]
    Empty,
    /// It was made anew.
    #[error("the catalogue is another one than that which the chunks and manifests on the disk belong to")]
    Other,
    /// It has lost what was published since.
    #[error(
        "the catalogue is older than the chunks and manifests on the disk: it is at entry {now}, and was at {seen}"
    )]
    Older {
        /// Where it was.
        seen: u64,
        /// Where it is.
        now: u64,
    },
    /// It was doubted before.
    #[error(
        "the catalogue was another one, or older than the chunks and manifests on the disk, when it was looked at before"
    )]
    Before,
}

/// Whether `now` may be believed. `files` says that there are chunks or manifests.
///
/// # Errors
/// Why not.
pub const fn judge(noted: Option<Noted>, now: Mark, files: bool) -> Result<(), Doubt> {
    match noted {
        None if files && now.position == 0 => Err(Doubt::Empty),
        None => Ok(()),
        // one that could not get its number yet
        Some(Noted { mark, .. }) if mark.catalog != now.catalog && mark.catalog != 0 => Err(Doubt::Other),
        Some(Noted { mark, .. }) if mark.position > now.position => {
            Err(Doubt::Older { seen: mark.position, now: now.position })
        }
        Some(Noted { doubted: true, .. }) => Err(Doubt::Before),
        Some(_) => Ok(()),
    }
}

const DOUBTED: &str = "doubted";

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.mark.catalog, self.mark.position)?;
        if self.doubted { write!(f, " {DOUBTED}") } else { Ok(()) }
    }
}

impl FromStr for Noted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let mark = match (number(), number()) {
            (Some(catalog), Some(position)) => Mark { catalog, position },
            _ => return Err(format!("{text:?} is not two numbers")),
        };
        match (words.next(), words.next()) {
            (None, _) => Ok(Self { mark, doubted: false }),
            (Some(DOUBTED), None) => Ok(Self { mark, doubted: true }),
            (Some(word), _) => Err(format!("{word:?} is not known here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(catalog: u64, position: u64) -> Noted {
        Noted { mark: Mark { catalog, position }, doubted: false }
    }

    #[test]
    fn only_the_same_catalogue_at_the_same_place_or_later_is_believed() {
        let now = |position| Mark { catalog: 7, position };
        assert_eq!(judge(None, now(0), false), Ok(()), "a new node");
        assert_eq!(judge(None, now(0), true), Err(Doubt::Empty));
        assert_eq!(judge(None, now(1), true), Ok(()), "somebody took the note away");
        assert_eq!(judge(Some(noted(7, 5)), now(5), true), Ok(()));
        assert_eq!(judge(Some(noted(7, 5)), now(9), true), Ok(()));
        assert_eq!(judge(Some(noted(7, 5)), now(4), true), Err(Doubt::Older { seen: 5, now: 4 }));
        assert_eq!(judge(Some(noted(8, 0)), now(9), false), Err(Doubt::Other));
        assert_eq!(judge(Some(noted(0, 5)), now(5), true), Ok(()), "it has its number now");
        assert_eq!(judge(Some(noted(0, 5)), now(4), true), Err(Doubt::Older { seen: 5, now: 4 }));
        let doubted = Noted { doubted: true, ..noted(7, 5) };
        assert_eq!(judge(Some(doubted), now(9), true), Err(Doubt::Before), "it has grown past the place meanwhile");
    }

    #[test]
    fn a_note_reads_as_it_was_written() {
        for doubted in [false, true] {
            let note = Noted { doubted, ..noted(u64::MAX, 3) };
            assert_eq!(format!("{note}\n").parse(), Ok(note));
        }
        for wrong in ["", "1", "1 x", "1 2 3", "1 2 doubted more", "-1 2"] {
            assert!(wrong.parse::<Noted>().is_err(), "{wrong:?}");
        }
    }
}
