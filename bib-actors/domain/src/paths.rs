//! Names of files inside a version: which can be kept, and why another cannot.
//!
//! Pure checks on text, shared by whoever walks a folder, takes an upload, or reads a stranger's manifest.
//! Nothing here looks at a disk. A name is kept byte for byte as it was given: it is never normalized,
//! lower-cased or shortened, so names that differ only in case or in Unicode composition stay different.

use std::fmt;

/// The longest part of a path (one file or folder name), in bytes: the limit of common file systems.
pub const PART_MAX_BYTES: usize = 255;

/// The longest path, and the longest target of a symbolic link, in bytes.
pub const PATH_MAX_BYTES: usize = 4096;

/// A path that cannot be kept in a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be kept in a dataset: {problem}", Escaped(.path))]
pub struct PathError {
    /// What was given, as it was given. It may hold control characters: print it escaped.
    pub path: String,
    /// What is wrong with it.
    pub problem: PathProblem,
}

/// What is wrong with a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathProblem {
    /// There is no text at all.
    #[error("the name is empty; give every file a name")]
    Empty,
    /// It begins with a slash.
    #[error("it is absolute; paths in a dataset are relative to its folder, so leave out the leading slash")]
    Absolute,
    /// Two slashes in a row, or one at the end.
    #[error("it has an empty part; write one slash between names and none at the end")]
    EmptyPart,
    /// A part is `.` or `..`.
    #[error("it has the part {part:?}; write the plain path from the dataset's folder")]
    DotPart {
        /// Which of the two.
        part: String,
    },
    /// A control character, among them NUL and line feed.
    #[error("it has the control character U+{code:04X} in it; rename the file and try again")]
    Control {
        /// The code point of the first one.
        code: u32,
    },
    /// One part is too long for common file systems.
    #[error("one of its parts is {bytes} bytes long and at most {PART_MAX_BYTES} fit; rename that file or folder")]
    PartTooLong {
        /// How long the part is.
        bytes: usize,
    },
    /// The whole is too long for common operating systems.
    #[error("it is {bytes} bytes long and at most {PATH_MAX_BYTES} fit; move the files up or shorten the names")]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A symbolic link with a target that leads out of the dataset.
    #[error("it is a symbolic link to {}, which lies outside the dataset's folder; link to a file inside, or put a copy there", Escaped(.target))]
    LinkLeaves {
        /// Where it points.
        target: String,
    },
    /// A symbolic link whose target cannot be followed by its text alone.
    #[error("it is a symbolic link to {}, which goes up after it went down; write the target without \"..\" behind a name", Escaped(.target))]
    LinkWinds {
        /// Where it points.
        target: String,
    },
    /// A symbolic link whose target is empty, too long, or holds a control character.
    #[error("it is a symbolic link whose target {} is empty, too long, or has a control character in it; make the link anew", Escaped(.target))]
    LinkTarget {
        /// Where it points.
        target: String,
    },
    /// Two entries have this path.
    #[error("it is there twice; a path names one thing")]
    Duplicate,
    /// Something lies below a path that is not a directory.
    #[error("it is a file or a link, and {} lies below it; a path is either a file or a folder", Escaped(.below))]
    NotADirectory {
        /// The path that lies below.
        below: String,
    },
}

/// Shows a path in quotes with everything unprintable escaped, so that a name cannot write on a terminal.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        match self.0.char_indices().nth(SHOWN) {
            None => write!(f, "{:?}", self.0),
            Some((cut, _)) => write!(f, "{:?}...", &self.0[..cut]),
        }
    }
}

/// Checks that `path` can be kept as the path of an entry.
///
/// Parts are separated by `/`. A backslash, a space, a leading dash and any printable Unicode are fine.
///
/// # Errors
/// [`PathError`] that says what is wrong and what to do.
pub fn check_path(path: &str) -> Result<(), PathError> {
    path_problem(path).map_or(Ok(()), |problem| Err(PathError { path: path.to_owned(), problem }))
}

/// Checks that a symbolic link at `path` to `target` can be kept and cannot lead out of the version's folder.
///
/// The target may go up first and down then, never up again after a name: the name may be a link itself, and
/// then the text alone does not say where `..` leads.
///
/// # Errors
/// [`PathError`] that says what is wrong and what to do.
pub fn check_symlink(path: &str, target: &str) -> Result<(), PathError> {
    check_path(path)?;
    let given = || target.to_owned();
    let problem = if target.is_empty() || target.len() > PATH_MAX_BYTES || target.chars().any(char::is_control) {
        PathProblem::LinkTarget { target: given() }
    } else if target.starts_with('/') {
        PathProblem::LinkLeaves { target: given() }
    } else {
        let mut room = path.matches('/').count();
        let mut down = false;
        let mut found = None;
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." if down => found = Some(PathProblem::LinkWinds { target: given() }),
                ".." if room == 0 => found = Some(PathProblem::LinkLeaves { target: given() }),
                ".." => room -= 1,
                _ => down = true,
            }
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(problem) => problem,
            None => return Ok(()),
        }
    };
    Err(PathError { path: path.to_owned(), problem })
}

fn path_problem(path: &str) -> Option<PathProblem> {
    if path.is_empty() {
        return Some(PathProblem::Empty);
    }
    if path.starts_with('/') {
        return Some(PathProblem::Absolute);
    }
    if path.len() > PATH_MAX_BYTES {
        return Some(PathProblem::TooLong { bytes: path.len() });
    }
    if let Some(bad) = path.chars().find(|c| c.is_control()) {
        return Some(PathProblem::Control { code: u32::from(bad) });
    }
    path.split('/').find_map(|part| match part {
        "" => Some(PathProblem::EmptyPart),
        "." | ".." => Some(PathProblem::DotPart { part: part.to_owned() }),
        _ if part.len() > PART_MAX_BYTES => Some(PathProblem::PartTooLong { bytes: part.len() }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn problem(path: &str) -> Option<PathProblem> {
        check_path(path).err().map(|error| error.problem)
    }

    #[test]
    fn keeps_what_a_file_system_keeps() {
        let long = "x".repeat(PART_MAX_BYTES);
        for path in ["a", "a/b/c.csv", "Ünï/日本.txt", "-flag", "a b", "back\\slash", ".hidden", "...", "a:b", &long]
        {
            assert_eq!(problem(path), None, "{path:?}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_kept() {
        assert_eq!(problem(""), Some(PathProblem::Empty));
        assert_eq!(problem("/etc/passwd"), Some(PathProblem::Absolute));
        assert_eq!(problem("a//b"), Some(PathProblem::EmptyPart));
        assert_eq!(problem("a/"), Some(PathProblem::EmptyPart));
        assert_eq!(problem("a/../b"), Some(PathProblem::DotPart { part: "..".into() }));
        assert_eq!(problem("./a"), Some(PathProblem::DotPart { part: ".".into() }));
        assert_eq!(problem("a\nb"), Some(PathProblem::Control { code: 10 }));
        assert_eq!(problem("a\0b"), Some(PathProblem::Control { code: 0 }));
        assert_eq!(problem("a\u{9b}b"), Some(PathProblem::Control { code: 0x9b }));
        assert_eq!(problem(&"x".repeat(256)), Some(PathProblem::PartTooLong { bytes: 256 }));
        assert_eq!(problem(&"x/".repeat(2100)), Some(PathProblem::TooLong { bytes: 4200 }));
    }

    #[test]
    fn a_message_never_carries_control_characters() {
        let text = check_path("bad\u{1b}[31m\nname").unwrap_err().to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(text.contains("U+001B"), "{text}");
        assert!(check_path(&"y".repeat(9000)).unwrap_err().to_string().len() < 500);
    }

    #[test]
    fn links_stay_inside() {
        for (path, target) in
            [("l", "a"), ("d/l", "../a"), ("a/b/l", "../../c/d"), ("l", "./x"), ("l", "d/"), ("l", ".")]
        {
            assert_eq!(check_symlink(path, target), Ok(()), "{path} -> {target}");
        }
        let leaves = |path: &str, target: &str| check_symlink(path, target).map_err(|error| error.problem);
        for (path, target) in [("l", "/etc/passwd"), ("l", ".."), ("d/l", "../../a"), ("l", "../x")] {
            assert_eq!(leaves(path, target), Err(PathProblem::LinkLeaves { target: target.into() }));
        }
        assert_eq!(leaves("d/l", "a/../b"), Err(PathProblem::LinkWinds { target: "a/../b".into() }));
        assert_eq!(leaves("l", ""), Err(PathProblem::LinkTarget { target: String::new() }));
    }

    proptest! {
        #[test]
        fn a_kept_path_stays_below_its_folder(path in "\\PC{0,40}|[a./]{0,12}") {
            if check_path(&path).is_ok() {
                let base = std::path::Path::new("base");
                let joined = base.join(&path);
                prop_assert!(joined.starts_with(base));
                prop_assert!(joined.components().all(|c| matches!(c, std::path::Component::Normal(_))));
                prop_assert_eq!(joined.components().count(), 2 + path.matches('/').count());
            }
        }

        #[test]
        fn checks_never_panic(path in any::<String>(), target in any::<String>()) {
            let _ = check_symlink(&path, &target).map_err(|error| error.to_string());
        }
    }
}
