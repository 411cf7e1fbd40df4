//! Whether there is room to write: the decision between writing, reading only, and an emergency.
//!
//! PostgreSQL ends with a panic, and stays down, when it cannot write its log. So the node stops to write long before:
//! it keeps a reserve free wherever it writes, and beside it a ballast file, which is given up when the reserve melts
//! all the same. All figures count the ballast as occupied: while it is released, the room that it needs is not free.
//! Pure: it measures nothing and deletes nothing.

/// A reserve is never less: PostgreSQL writes its log in files of 16 MiB, and may need the next one at any moment while
/// the one after it is being prepared.
pub const LEAST_RESERVE: u64 = 32 << 20;
/// Free files (inodes) that are kept, where a file system counts them.
const FILES_RESERVE: u64 = 1024;

/// What the node may do. The worse, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SpaceState {
    /// Everything.
    #[default]
    Open,
    /// Nothing that takes room: no data, no catalogue entries. Sessions, and what ends or shrinks something, go on.
    ReadOnly,
    /// Nothing at all but reading, so that the database can finish what it has begun.
    Emergency,
}

impl SpaceState {
    /// The word for people and for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ReadOnly => "read-only",
            Self::Emergency => "emergency",
        }
    }
}

/// What an operation needs of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Room for data or for catalogue entries.
    Room,
    /// A few bytes to keep house: a session, a peer's position, the removal of what expired.
    Housekeeping,
}

impl SpaceState {
    /// Whether an operation may begin.
    #[must_use]
    pub fn admits(self, need: Need) -> bool {
        match need {
            Need::Room => self == Self::Open,
            Need::Housekeeping => self < Self::Emergency,
        }
    }
}

/// Where the ballast file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ballast {
    /// Not in this place, nor meant to be.
    Elsewhere,
    /// Here, and it occupies its room.
    Held,
    /// It belongs here and is not there: given up, or not made yet.
    Released,
}

/// One place in which the node writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that an ordinary user may still write.
    pub free: u64,
    /// Bytes of the whole file system.
    pub total: u64,
    /// Files that may still be made; `None` where the file system does not count them.
    pub files_free: Option<u64>,
    /// Whether the ballast is here.
    pub ballast: Ballast,
}

/// How much is kept free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceRules {
    /// Bytes that are kept free in each place.
    pub reserve_bytes: u64,
    /// But not more than this part of the file system, in percent, unless that is less than [`LEAST_RESERVE`].
    pub reserve_percent: u8,
    /// Bytes of the ballast file.
    pub ballast_bytes: u64,
}

/// What is to be done with the ballast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BallastOrder {
    /// Give its room to the database.
    Release,
    /// Make it again.
    Make,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What the node may do now.
    pub state: SpaceState,
    /// The place that decides it; `None` when all have room.
    pub place: Option<usize>,
    /// Bytes that must become free there before the node writes again.
    pub missing: u64,
    /// What to do with the ballast.
    pub order: Option<BallastOrder>,
}

impl SpaceRules {
    /// Bytes that are kept free on a file system of `total` bytes.
    #[must_use]
    pub fn reserve(&self, total: u64) -> u64 {
        let part = (u128::from(total) * u128::from(self.reserve_percent.min(100)) / 100) as u64;
        self.reserve_bytes.min(part).max(LEAST_RESERVE)
    }

    /// Bytes that must be free before a node that stopped writing writes again: more than what made it stop, or it
    /// would go to and fro.
    #[must_use]
    pub fn reopen(&self, total: u64) -> u64 {
        let reserve = self.reserve(total);
        reserve + reserve / 4
    }

    /// Free bytes, with the room that a released ballast needs taken off.
    #[must_use]
    pub fn net_free(&self, room: &Room) -> u64 {
        match room.ballast {
            Ballast::Released => room.free.saturating_sub(self.ballast_bytes),
            Ballast::Elsewhere | Ballast::Held => room.free,
        }
    }

    fn state_of(&self, before: SpaceState, room: &Room) -> SpaceState {
        let (free, reserve) = (self.net_free(room), self.reserve(room.total));
        let (bytes, files) = if before == SpaceState::Open {
            (reserve, FILES_RESERVE)
        } else {
            (self.reopen(room.total), FILES_RESERVE * 2)
        };
        let few_files = |least: u64| room.files_free.is_some_and(|files| files < least);
        // only the database dies of a full disk: elsewhere it is enough to stop writing
        let emergency = if before == SpaceState::Emergency { reserve * 3 / 4 } else { reserve / 2 };
        if room.ballast != Ballast::Elsewhere && (free < emergency || few_files(FILES_RESERVE / 4)) {
            SpaceState::Emergency
        } else if free < bytes || few_files(files) {
            SpaceState::ReadOnly
        } else {
            SpaceState::Open
        }
    }

    /// Decides from the state before and what is free in each place now.
    #[must_use]
    pub fn decide(&self, before: SpaceState, rooms: &[Room]) -> Verdict {
        let mut verdict = Verdict { state: SpaceState::Open, place: None, missing: 0, order: None };
        for (index, room) in rooms.iter().enumerate() {
            let state = self.state_of(before, room);
            let missing = self.reopen(room.total).saturating_sub(self.net_free(room));
            if (state, missing) > (verdict.state, verdict.missing) && state != SpaceState::Open {
                (verdict.state, verdict.place, verdict.missing) = (state, Some(index), missing);
            }
            verdict.order = match (room.ballast, state) {
                (Ballast::Held, SpaceState::Emergency) => Some(BallastOrder::Release),
                (Ballast::Released, SpaceState::Open) if self.ballast_bytes > 0 => Some(BallastOrder::Make),
                _ => verdict.order,
            };
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;
    const RULES: SpaceRules = SpaceRules { reserve_bytes: 1024 * MIB, reserve_percent: 10, ballast_bytes: 64 * MIB };

    fn room(free_mib: u64, ballast: Ballast) -> Room {
        Room { free: free_mib * MIB, total: 1000 * MIB, files_free: None, ballast }
    }

    #[test]
    fn the_reserve_is_a_part_of_a_small_disk_and_no_more_than_asked_of_a_large_one() {
        assert_eq!(RULES.reserve(1000 * MIB), 100 * MIB);
        assert_eq!(RULES.reserve(1 << 42), 1024 * MIB);
        assert_eq!(RULES.reserve(100 * MIB), LEAST_RESERVE);
    }

    #[test]
    fn a_disk_that_fills_up_and_is_cleared() {
        use Ballast::{Held, Released};
        use SpaceState::{Emergency, Open, ReadOnly};
        let steps = [
            // before, free, ballast: then, and the ballast's order
            (Open, 500, Held, Open, None),
            (Open, 99, Held, ReadOnly, None),
            (ReadOnly, 110, Held, ReadOnly, None),
            (ReadOnly, 125, Held, Open, None),
            (ReadOnly, 49, Held, Emergency, Some(BallastOrder::Release)),
            // the room that the ballast left is not to be written
            (Emergency, 113, Released, Emergency, None),
            (Emergency, 139, Released, ReadOnly, None),
            (ReadOnly, 188, Released, ReadOnly, None),
            (ReadOnly, 189, Released, Open, Some(BallastOrder::Make)),
            // a first start
            (Open, 500, Released, Open, Some(BallastOrder::Make)),
            (Open, 100, Released, Emergency, None),
        ];
        for (before, free, ballast, state, order) in steps {
            let verdict = RULES.decide(before, &[room(free, ballast)]);
            assert_eq!((verdict.state, verdict.order), (state, order), "{free} MiB free after {before:?}, {ballast:?}");
        }
    }

    #[test]
    fn the_worst_place_decides_and_only_the_database_has_emergencies() {
        let rooms = [room(500, Ballast::Held), room(3, Ballast::Elsewhere), room(90, Ballast::Elsewhere)];
        let verdict = RULES.decide(SpaceState::Open, &rooms);
        assert_eq!((verdict.state, verdict.place), (SpaceState::ReadOnly, Some(1)));
        assert_eq!(verdict.missing, 122 * MIB);
        let rooms = [room(10, Ballast::Held), room(3, Ballast::Elsewhere)];
        let verdict = RULES.decide(SpaceState::Open, &rooms);
        assert_eq!((verdict.state, verdict.place), (SpaceState::Emergency, Some(0)));
    }

    #[test]
    fn a_disk_without_free_files_is_full() {
        let few = |files| Room { files_free: Some(files), ..room(500, Ballast::Held) };
        assert_eq!(RULES.decide(SpaceState::Open, &[few(5000)]).state, SpaceState::Open);
        assert_eq!(RULES.decide(SpaceState::Open, &[few(1000)]).state, SpaceState::ReadOnly);
        assert_eq!(RULES.decide(SpaceState::ReadOnly, &[few(1500)]).state, SpaceState::ReadOnly);
        assert_eq!(RULES.decide(SpaceState::Open, &[few(10)]).state, SpaceState::Emergency);
    }

    #[test]
    fn housekeeping_goes_on_until_an_emergency() {
        assert!(SpaceState::ReadOnly.admits(Need::Housekeeping) && !SpaceState::ReadOnly.admits(Need::Room));
        assert!(!SpaceState::Emergency.admits(Need::Housekeeping) && SpaceState::Open.admits(Need::Room));
    }

    proptest! {
        #[test]
        fn less_room_is_never_a_better_state(free in 0_u64..2000, less in 0_u64..2000, before in 0_u8..3, ballast in 0_u8..3) {
            let before = [SpaceState::Open, SpaceState::ReadOnly, SpaceState::Emergency][before as usize];
            let ballast = [Ballast::Elsewhere, Ballast::Held, Ballast::Released][ballast as usize];
            let state = |free| RULES.decide(before, &[room(free, ballast)]).state;
            prop_assert!(state(free.saturating_sub(less)) >= state(free));
        }

        #[test]
        fn a_release_alone_never_reopens(free in 0_u64..2000, before in 0_u8..3) {
            let before = [SpaceState::Open, SpaceState::ReadOnly, SpaceState::Emergency][before as usize];
            let held = RULES.decide(before, &[room(free, Ballast::Held)]);
            let released = RULES.decide(held.state, &[room(free + 64, Ballast::Released)]);
            prop_assert!(held.order != Some(BallastOrder::Release) || released.state == SpaceState::Emergency);
        }
    }
}
