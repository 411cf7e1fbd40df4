//! What it means when a peer answers with a chunk.

/// What a peer's answer for a chunk says about the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is about the chunk that was asked for.
    Right,
    /// The peer has nothing that fits, and never said that it had.
    Lacks,
    /// No honest peer answers so.
    Lies,
}

/// Judges the header of a chunk that a peer has. The length that is asked for is the publisher's word: only a peer that
/// `claims` to have the version whole has compared its bytes with that. Any other one may have the chunk from another
/// version, whose publisher told its true length.
#[must_use]
pub const fn judge(name_fits: bool, size_fits: bool, claims: bool) -> Verdict {
    match (name_fits, size_fits, claims) {
        (true, true, _) => Verdict::Right,
        (true, false, false) => Verdict::Lacks,
        (false, _, _) | (_, false, true) => Verdict::Lies,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_vouched_for_a_length_can_lie_about_it() {
        for claims in [false, true] {
            assert_eq!(judge(true, true, claims), Verdict::Right);
            assert_eq!(judge(false, true, claims), Verdict::Lies);
            assert_eq!(judge(false, false, claims), Verdict::Lies);
        }
        assert_eq!(judge(true, false, false), Verdict::Lacks);
        assert_eq!(judge(true, false, true), Verdict::Lies);
    }
}
