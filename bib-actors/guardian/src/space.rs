//! The room on the disks that the node writes to: measured, judged, and asked before every change.
//!
//! A handle of its own, like the chunk store: it outlives the guardian's incarnations, and asking it passes no mailbox.
//! The judgement is `bib_domain::space`; the guardian's watcher looks once a period and keeps the ballast, and every
//! change looks again before it begins, since a disk can fill up between two looks. A look is one system call for each
//! place; on a local file system it waits for nothing.

use crate::ballast;
use crate::error::GuardianError;
use crate::options::SpaceOptions;
use bib_domain::space::{Ballast, BallastOrder, Need, Room, SpaceState, Verdict};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Notify, watch};

/// One place where the node writes.
#[derive(Debug, Clone)]
struct Place {
    /// What is kept there, for people.
    what: &'static str,
    path: PathBuf,
    ballast: bool,
}

/// The room of this node. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Space(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: SpaceOptions,
    places: Vec<Place>,
    ballast_path: PathBuf,
    present: Mutex<Present>,
    states: watch::Sender<SpaceState>,
    /// Wakes the watcher before its time.
    worse: Notify,
}

/// What was found last.
#[derive(Debug)]
struct Present {
    state: SpaceState,
    ballast: Ballast,
    notice: String,
    /// Why no room is made by removing what the catalogue does not name.
    withheld: String,
}

fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

/// What is free where `path` is, or will be.
fn room_at(path: &Path, ballast: Ballast) -> Option<Room> {
    // a place that is not made yet will be made on the file system of what is there
    let there = path.ancestors().find(|place| place.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    let files_free = (found.f_files > 0).then_some(found.f_favail);
    Some(Room { free: found.f_bavail * found.f_frsize, total: found.f_blocks * found.f_frsize, files_free, ballast })
}

impl Space {
    /// The room of a node whose data is in `data_dir`.
    #[must_use]
    pub fn new(data_dir: &Path, options: SpaceOptions) -> Self {
        let place = |what, name: &str, ballast| Place { what, path: data_dir.join(name), ballast };
        let places = vec![
            place("the database", "postgres", true),
            place("the chunk store", "blobs", false),
            place("the audit log", "audit", false),
            place("the manifests", "manifests", false),
        ];
        let present = Present {
            state: SpaceState::Open,
            ballast: Ballast::Released,
            notice: String::new(),
            withheld: String::new(),
        };
        Self(Arc::new(Inner {
            ballast_path: data_dir.join("postgres").join("ballast"),
            options,
            places,
            present: Mutex::new(present),
            states: watch::Sender::new(SpaceState::Open),
            worse: Notify::new(),
        }))
    }

    /// What the node may do, as it was found last.
    #[must_use]
    pub fn state(&self) -> SpaceState {
        self.0.present.lock().state
    }

    /// What people should know and do; empty while there is room.
    #[must_use]
    pub fn notice(&self) -> String {
        self.0.present.lock().notice.clone()
    }

    /// Why nothing is removed that the catalogue does not name; empty as long as it is.
    #[must_use]
    pub fn withheld(&self) -> String {
        self.0.present.lock().withheld.clone()
    }

    pub(crate) fn withhold(&self, why: String) {
        self.0.present.lock().withheld = why;
    }

    /// Looks now, and says whether an operation may begin.
    ///
    /// # Errors
    /// [`GuardianError::DiskFull`] when there is no room for it.
    pub fn admit(&self, need: Need) -> Result<(), GuardianError> {
        let verdict = self.look();
        if verdict.state.admits(need) {
            return Ok(());
        }
        if verdict.order.is_some() {
            self.0.worse.notify_one();
        }
        Err(GuardianError::DiskFull { notice: self.notice() })
    }

    /// Measures and decides.
    fn look(&self) -> Verdict {
        let inner = &*self.0;
        let mut present = inner.present.lock();
        let measured: Vec<(&Place, Room)> = inner
            .places
            .iter()
            .filter_map(|place| {
                // SQLite needs no ballast: it refuses a write for which there is no room, and goes on
                let ballast = if place.ballast && place.path.exists() { present.ballast } else { Ballast::Elsewhere };
                Some((place, room_at(&place.path, ballast)?))
            })
            .collect();
        let rooms: Vec<Room> = measured.iter().map(|(_, room)| *room).collect();
        let verdict = inner.options.rules.decide(present.state, &rooms);
        present.notice = verdict.place.map_or_else(String::new, |index| {
            let (place, room) = measured[index];
            inner.tell(verdict, place, &room)
        });
        if std::mem::replace(&mut present.state, verdict.state) != verdict.state {
            match verdict.state {
                SpaceState::Open => tracing::info!("there is room on the disk again: the node writes"),
                state => tracing::warn!(state = state.as_str(), "{}", present.notice),
            }
            inner.states.send_replace(verdict.state);
        }
        verdict
    }

    /// Looks, and gives the ballast up or makes it, as decided. Blocking.
    pub(crate) fn keep(&self) {
        let inner = &*self.0;
        if self.0.present.lock().ballast != Ballast::Held
            && ballast::is_there(&inner.ballast_path, inner.options.rules.ballast_bytes)
        {
            inner.present.lock().ballast = Ballast::Held;
        }
        let done = match self.look().order {
            None => return,
            Some(BallastOrder::Release) => {
                tracing::warn!(path = %inner.ballast_path.display(), "giving the ballast's room to the database");
                ballast::release(&inner.ballast_path).map(|()| Ballast::Released)
            }
            Some(BallastOrder::Make) => {
                ballast::make(&inner.ballast_path, inner.options.rules.ballast_bytes).map(|()| Ballast::Held)
            }
        };
        match done {
            Ok(ballast) => {
                inner.present.lock().ballast = ballast;
                self.look();
            }
            Err(error) => tracing::warn!(%error, "the ballast could not be changed; it is tried again"),
        }
    }

    /// Waits for the next look: a period, or less when somebody found the disk full.
    pub(crate) async fn next_look(&self) {
        // no matter which of the two it was
        let _ = tokio::time::timeout(self.0.options.period, self.0.worse.notified()).await;
    }

    /// Waits for a state. Cancel-safe.
    pub(crate) async fn wait(&self, wanted: impl Fn(SpaceState) -> bool) {
        // the sender lives as long as this value
        let _ = self.0.states.subscribe().wait_for(|state| wanted(*state)).await;
    }
}

impl Inner {
    fn tell(&self, verdict: Verdict, place: &Place, room: &Room) -> String {
        let rules = &self.options.rules;
        let state = match verdict.state {
            SpaceState::Emergency => "the disk is full and the node only reads",
            _ => "the disk is nearly full and the node is read-only",
        };
        let (path, what) = (place.path.display(), place.what);
        if verdict.missing == 0 {
            return format!(
                "{state}: the file system of {what} ({path}) has hardly any free inodes left; remove small files there, and the \
                 node writes again by itself"
            );
        }
        format!(
            "{state}: {} are free where {what} is ({path}), and {} must stay free so that nothing breaks; free {} there, and the node \
             writes again by itself",
            mib(rules.net_free(room)),
            mib(rules.reserve(room.total)),
            mib(verdict.missing),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_domain::space::SpaceRules;
    use std::time::Duration;

    fn space(dir: &Path, reserve_bytes: u64) -> Space {
        let rules = SpaceRules { reserve_bytes, reserve_percent: 100, ballast_bytes: 1 << 20 };
        std::fs::create_dir_all(dir.join("postgres")).unwrap();
        Space::new(dir, SpaceOptions { rules, period: Duration::from_millis(10) })
    }

    #[test]
    fn a_disk_with_room_admits_and_gets_its_ballast() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path(), 1);
        space.admit(Need::Room).unwrap();
        space.keep();
        assert!(ballast::is_there(&dir.path().join("postgres/ballast"), 1 << 20));
        assert_eq!((space.state(), space.notice()), (SpaceState::Open, String::new()));
    }

    #[test]
    fn a_disk_without_room_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postgres/ballast");
        let with_room = space(dir.path(), 1);
        with_room.keep();
        let full = space(dir.path(), u64::MAX / 4);
        let refused = full.admit(Need::Room).unwrap_err().to_string();
        for word in ["the database", "MiB", "free", "by itself"] {
            assert!(refused.contains(word), "{refused}");
        }
        full.keep();
        // how full the disk of this machine is decides how bad it is
        let emergency = full.state() == SpaceState::Emergency;
        assert_eq!(path.exists(), !emergency, "the ballast is given up in an emergency, and only then");
        assert_eq!(full.admit(Need::Housekeeping).is_err(), emergency);
    }
}
