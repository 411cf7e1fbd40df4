//! Whether a verification hashes whole files besides their chunks, and what it teaches.
//!
//! A manifest says twice what a file holds: by the hash of its content, and by its chunks, each named by its hash. That
//! both say the same is a property of the manifest alone, and does not change with the disk. Who has seen it once, by
//! hashing all bytes both ways, learns nothing from the second hash any more: right chunks are the right file.

/// What a verification hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every chunk against its name, and every file against the hash that its publisher signed: each byte twice.
    Contents,
    /// Every chunk against its name.
    Chunks,
}

/// What is known of a version after a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// The hashes of its files follow from its chunks.
    Agrees,
    /// They do not: whatever was noted before is wrong.
    Contradicts,
    /// As much as before.
    Nothing,
}

/// What to hash: both only when the version was not seen to agree, or when somebody asks for it.
#[must_use]
pub const fn depth(asked: bool, seen_to_agree: bool) -> Depth {
    if seen_to_agree && !asked { Depth::Chunks } else { Depth::Contents }
}

/// What a verification has shown. `sound`: nothing at all was found wrong. `mismatches`: files of which all chunks were
/// right and the content was not.
#[must_use]
pub const fn lesson(hashed: Depth, sound: bool, mismatches: u64) -> Lesson {
    match hashed {
        Depth::Contents if mismatches > 0 => Lesson::Contradicts,
        Depth::Contents if sound => Lesson::Agrees,
        // a file with a hurt chunk was not hashed to its end
        Depth::Contents | Depth::Chunks => Lesson::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_hashed_unless_they_were_and_nobody_asks() {
        assert_eq!(depth(false, false), Depth::Contents);
        assert_eq!(depth(true, false), Depth::Contents);
        assert_eq!(depth(true, true), Depth::Contents);
        assert_eq!(depth(false, true), Depth::Chunks);
    }

    #[test]
    fn only_a_whole_check_without_a_finding_teaches_that_they_agree() {
        assert_eq!(lesson(Depth::Contents, true, 0), Lesson::Agrees);
        assert_eq!(lesson(Depth::Contents, false, 0), Lesson::Nothing, "a hurt chunk says nothing about the manifest");
        assert_eq!(lesson(Depth::Contents, false, 1), Lesson::Contradicts);
        for sound in [true, false] {
            assert_eq!(lesson(Depth::Chunks, sound, 0), Lesson::Nothing);
        }
    }
}
