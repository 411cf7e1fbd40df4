//! What a process shows of itself to those who may not look into it.
//!
//! Where bibd is root without the right to trace others, as in most containers, the system does not tell it where a
//! process of another user works. Whose it is and with which words it was started is open to everybody. When it was
//! started is, too, but that is no evidence: it moves with the wall clock.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a process looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// The server of the data directory.
    Server,
    /// None of it: it is another program, another user's, or was started for another directory.
    Other,
    /// A server of the directory's owner that does not say of which directory it is, or nothing can be seen.
    Unclear,
}

/// What the process with the directory `process` under `/proc` looks like to whoever asks for the server of `data`.
pub(super) fn look(process: &Path, data: &Path) -> Looks {
    let command = std::fs::read(process.join("cmdline")).ok();
    let status = std::fs::read_to_string(process.join("status")).ok();
    let user = status.and_then(|status| effective_user(&status));
    let owner = std::fs::metadata(data).ok().map(|meta| meta.uid());
    match (command, user, owner) {
        (Some(command), Some(user), Some(owner)) if user == owner => judge(&command, data),
        // a server works for the owner of its data directory only
        (Some(_), Some(_), Some(_)) => Looks::Other,
        _ => Looks::Unclear,
    }
}

fn effective_user(status: &str) -> Option<u32> {
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    users.split_whitespace().nth(1)?.parse().ok()
}

/// Judges by the words that a process was started with, each ended by a zero. Those of a server's children say what they
/// do instead, and only the server itself stands in the file.
fn judge(command: &[u8], data: &Path) -> Looks {
    let mut words = command.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let program = words.next().map(Path::new).and_then(Path::file_name);
    if !program.is_some_and(|name| name == "postgres" || name == "postmaster") {
        return Looks::Other;
    }
    let place = words.find_map(|word| word.as_bytes().strip_prefix(b"-D")).map(OsStr::from_bytes);
    let place = place.and_then(|joined| if joined.is_empty() { words.next() } else { Some(joined) });
    // a relative one was meant from where it was started
    match place.map(Path::new).filter(|place| place.is_absolute()).map(std::fs::canonicalize) {
        Some(Ok(place)) if place == data => Looks::Server,
        Some(Ok(_)) => Looks::Other,
        _ => Looks::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    #[test]
    fn it_is_told_by_the_words_that_it_was_started_with() {
        let dir = tempfile::tempdir().unwrap();
        let data = std::fs::canonicalize(dir.path()).unwrap();
        let here = data.to_str().unwrap();
        let judged = |words: &[&str]| judge((words.join("\0") + "\0").as_bytes(), &data);
        assert_eq!(judged(&["/usr/lib/postgresql/17/bin/postgres", "-D", here, "-c", "fsync=on"]), Looks::Server);
        assert_eq!(judged(&["postgres", "-c", "fsync=on", &format!("-D{here}/.")]), Looks::Server);
        assert_eq!(judged(&["postgres", "-D", "/"]), Looks::Other);
        for unclear in
            [&["postgres"][..], &["postgres", "-D"], &["postgres", "-D", "data"], &["postgres", "-D", "/no/dir"]]
        {
            assert_eq!(judged(unclear), Looks::Unclear, "{unclear:?}");
        }
        let title = "postgres: bibd: checkpointer ";
        for other in [&["bibd", "-D", here][..], &[title], &[""], &["/postgres/bin/sh", "-D", here]] {
            assert_eq!(judged(other), Looks::Other, "{other:?}");
        }
    }

    #[test]
    fn the_user_is_the_one_whose_rights_it_has() {
        assert_eq!(effective_user("Name:\tpostgres\nUid:\t0\t105\t0\t105\nGid:\t0\t1\t1\t1\n"), Some(105));
        assert_eq!(effective_user("Name:\tpostgres\n"), None);
    }

    #[test]
    fn a_process_is_seen_as_it_is() {
        let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [data, other] = [&dir, &elsewhere].map(|dir| std::fs::canonicalize(dir.path()).unwrap());
        // it has a server's name and words, says that it runs, and waits
        let mut process = Command::new("/bin/sh")
            .arg0("postgres")
            .args(["-c", "echo; read line", "-D"])
            .arg(&data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
        let about = Path::new("/proc").join(process.id().to_string());
        let seen = [look(&about, &data), look(&about, &other), look(Path::new("/proc/self"), &data)];
        drop(process.stdin.take());
        process.wait().unwrap();
        assert_eq!(seen, [Looks::Server, Looks::Other, Looks::Other]);
        assert_eq!(look(&about, &data), Looks::Unclear, "it is gone");
    }
}
