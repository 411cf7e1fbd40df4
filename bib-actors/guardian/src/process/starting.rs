//! A server of this process that has not said in its data directory yet that it runs: for an end that comes just then.

use super::pidfile::PidFile;
use bib_kit::clock;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// How often one that stops is looked at.
const POLL: Duration = Duration::from_millis(25);

/// Has such a server stop, and waits for it; false if there is none. One that does not stop in time has said by then that
/// it runs, and is stopped like any other.
pub(crate) async fn stop_starting(data: &Path, deadline: Duration) -> bool {
    if PidFile::live(data).is_some() {
        return false;
    }
    // it was started with the place that the path leads to
    let data = std::fs::canonicalize(data).unwrap_or_else(|_| data.to_owned());
    let Some(pid) = child_of_this_process(&data) else { return false };
    let begun = clock::monotonic();
    // it takes the signal as soon as it can take any
    let _ = kill(pid, Signal::SIGINT);
    while waitpid(pid, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive) {
        if clock::since(begun) > deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

/// A child of this process that was started with this data directory.
fn child_of_this_process(data: &Path) -> Option<Pid> {
    let own = std::process::id().to_string();
    let is_one = |process: &Path| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(1));
        if parent != Some(own.as_str()) {
            return false;
        }
        let words = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let words: Vec<&OsStr> = words.split(|byte| *byte == 0).map(OsStr::from_bytes).collect();
        words.windows(2).any(|pair| pair[0] == "-D" && pair[1] == data)
    };
    let number = |process: &Path| process.file_name()?.to_str()?.parse().ok().map(Pid::from_raw);
    let processes = std::fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    processes.filter_map(|process| Some((number(&process)?, process))).find(|(_, at)| is_one(at)).map(|(pid, _)| pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::process::{Command, Stdio};

    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_server_that_has_written_nothing_yet_is_stopped_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (data, other) = (dir.path().join("data"), dir.path().join("other"));
        assert!(!stop_starting(&data, PATIENCE).await, "there is none");
        // it waits, as a server does, and has the words of one; a test in the background would leave it deaf
        let mut waits = Command::new("env");
        waits.args(["--default-signal=INT", "sh", "-c", "echo; read line", "postgres", "-D"]).arg(&data);
        let mut server = waits.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // it can hear
        server.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        assert!(!stop_starting(&other, PATIENCE).await, "it is another's");
        assert_eq!(server.try_wait().unwrap(), None);
        assert!(stop_starting(&data, PATIENCE).await);
        assert!(!stop_starting(&data, PATIENCE).await, "it is gone");
    }
}
