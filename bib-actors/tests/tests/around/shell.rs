//! Other people's programs: run, with everything they said when they fail.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    package_dir().join("../..").canonicalize().unwrap()
}

/// Where things are kept that take long to make and are the same for every run.
pub(crate) fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache");
    let folder = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("bib");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// `program` as root: itself if this is root, else through `sudo`, which must not ask.
pub(crate) fn as_root(program: &str) -> Command {
    if nix::unistd::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

/// What the program printed, as it ended well.
pub(crate) fn good(command: &mut Command) -> String {
    let output = end(command);
    assert!(output.status.success(), "{}", told(command, &output));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// What the program said, as it ended badly.
pub(crate) fn bad(command: &mut Command) -> String {
    let output = end(command);
    assert!(!output.status.success(), "this should fail: {}", told(command, &output));
    told(command, &output)
}

/// Runs the program to its end.
pub(crate) fn end(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}: .ci/prerequisites test"))
}

fn told(command: &Command, output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{command:?} ended with {}\n{out}{err}", output.status)
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}
