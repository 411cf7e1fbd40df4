//! `postmaster.pid`: what a running server says about itself.

use super::outside::{Looks, look};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The contents of the file. A server that is starting has written only the first lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) data_dir: PathBuf,
    pub(crate) socket_dir: Option<PathBuf>,
    /// Whether it takes connections.
    pub(crate) ready: bool,
}

impl PidFile {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        let pid = lines.next()?.parse().ok().filter(|pid| *pid > 1)?;
        let data_dir = PathBuf::from(lines.next()?);
        let (_started, _port) = (lines.next(), lines.next());
        let socket_dir = lines.next().filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let (_address, _memory) = (lines.next(), lines.next());
        let ready = lines.next() == Some("ready");
        Some(Self { pid, data_dir, socket_dir, ready })
    }

    /// The file of a data directory, if it is there and makes sense.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(data.join("postmaster.pid")).ok()?)
    }

    /// The process, if it is alive and is the server of this data directory.
    pub(crate) fn live(data: &Path) -> Option<Self> {
        Self::read(data).filter(|file| file.is_server_of(data))
    }

    /// Whether the process that has the number now was seen to be none of this data directory's, or there is none.
    /// A server works in its data directory before it writes the file.
    pub(crate) fn is_foreign(&self, data: &Path) -> bool {
        let Ok(data) = std::fs::canonicalize(data) else { return false };
        let process = self.process();
        match std::fs::read_link(process.join("cwd")) {
            Ok(cwd) => cwd != data,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => look(&process, &data) == Looks::Other,
            Err(error) => error.kind() == ErrorKind::NotFound && Path::new("/proc/self").exists(),
        }
    }

    /// Not a process that got the same number later, and not one that has ended and was not waited for.
    fn is_server_of(&self, data: &Path) -> bool {
        let Ok(data) = std::fs::canonicalize(data) else { return false };
        if std::fs::canonicalize(&self.data_dir).ok().as_ref() != Some(&data) {
            return false;
        }
        let process = self.process();
        if !Path::new("/proc/self").exists() {
            return nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid), None).is_ok();
        }
        if matches!(state_of(&process), None | Some('Z' | 'X')) {
            return false;
        }
        // a postmaster works in its data directory
        match std::fs::read_link(process.join("cwd")) {
            Ok(cwd) => cwd == data,
            Err(error) => error.kind() == ErrorKind::PermissionDenied && look(&process, &data) == Looks::Server,
        }
    }

    fn process(&self) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string())
    }
}

/// What the system says of a process of `/proc`: a letter.
fn state_of(process: &Path) -> Option<char> {
    let about = std::fs::read_to_string(process.join("stat")).ok()?;
    about.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Whether a process has ended and only its parent has not looked yet. Such a one has its number still, and may keep it for
/// ever where the parent never looks, as the first process of many a container.
pub(super) fn has_ended(pid: i32) -> bool {
    matches!(state_of(&Path::new("/proc").join(pid.to_string())), Some('Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_nobody_waited_for_has_ended() {
        let mut lives = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(lives.id()).unwrap();
        assert!(!has_ended(pid));
        lives.kill().unwrap();
        let begun = bib_kit::clock::monotonic();
        while !has_ended(pid) {
            assert!(bib_kit::clock::since(begun).as_secs() < 60, "it was killed");
            std::thread::yield_now();
        }
        assert!(
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_ok(),
            "its number is taken all the same"
        );
        lives.wait().unwrap();
    }

    #[test]
    fn both_stages_of_the_file_are_understood() {
        let starting = PidFile::parse("4711\n/d/data\n1790000000\n5432\n").unwrap();
        assert_eq!((starting.pid, starting.ready, starting.socket_dir), (4711, false, None));
        let ready = PidFile::parse("4711\n/d/data\n1790000000\n5432\n/d/run\n\n  123   45\nready   \n").unwrap();
        assert!(ready.ready);
        assert_eq!(ready.socket_dir, Some(PathBuf::from("/d/run")));
        for text in ["", "x\n/d", "-1\n/d", "0\n/d", "1\n/d", "4711"] {
            assert_eq!(PidFile::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_process_that_is_no_server_is_not_taken_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let write = |pid: u32, data: &Path| {
            std::fs::write(dir.path().join("postmaster.pid"), format!("{pid}\n{}\n", data.display())).unwrap();
        };
        // this test's own process is alive but works elsewhere
        write(std::process::id(), dir.path());
        assert_eq!(PidFile::live(dir.path()), None);
        let file = PidFile::read(dir.path()).unwrap();
        let here = std::env::current_dir().unwrap();
        assert!(file.is_foreign(dir.path()) && !file.is_foreign(&here));
        assert!(PidFile { pid: i32::MAX, ..file }.is_foreign(dir.path()), "there is no such process");
        write(std::process::id(), Path::new("/elsewhere"));
        assert_eq!(PidFile::live(dir.path()), None);
    }
}
