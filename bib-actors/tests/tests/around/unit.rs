//! The systemd unit: systemd itself finds nothing wrong with it, and little that it leaves open.

use super::shell::{end, good, root};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

/// Most exposure that `systemd-analyze security` may find, of 100: "OK" ends at 29.
const MOST_EXPOSURE: &str = "20";

/// Every system call of a set, as systemd resolves its name; of one call, itself.
fn calls(name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return BTreeSet::from([name.to_owned()]);
    }
    let listed = good(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]));
    let members = listed.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    members.flat_map(calls).collect()
}

/// What the unit forbids to the kernel's interface, as a container engine takes it: its filter of system calls, and no
/// memory that is both written and executed.
pub(crate) fn as_seccomp() -> Value {
    let unit = std::fs::read_to_string(root().join("containers/bibd.service")).unwrap();
    let mut allowed = BTreeSet::new();
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (names, forbids) = line.strip_prefix('~').map_or((line, false), |rest| (rest, true));
        for call in names.split_whitespace().flat_map(calls) {
            if forbids {
                allowed.remove(&call)
            } else {
                allowed.insert(call)
            };
        }
    }
    assert!(unit.contains("MemoryDenyWriteExecute=yes") && allowed.len() > 200, "{allowed:?}");
    for bounded in ["mmap", "mprotect"] {
        assert!(allowed.remove(bounded));
    }
    let when = |call: &str, mask: u64, value: u64| {
        let argument = json!({"index": 2, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"});
        json!({"names": [call], "action": "SCMP_ACT_ALLOW", "args": [argument]})
    };
    let (write, execute) = (2, 4);
    let mut rules = vec![json!({"names": allowed, "action": "SCMP_ACT_ALLOW"}), when("mprotect", execute, 0)];
    rules.extend([0, write, execute].map(|value| when("mmap", write | execute, value)));
    json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": rules})
}

/// A root directory with the unit installed as the how-to says, and what it refers to.
fn installed(folder: &tempfile::TempDir) -> PathBuf {
    let top = folder.path().to_owned();
    for name in ["etc/systemd/system", "usr/local/bin", "usr/lib", "etc/bib"] {
        std::fs::create_dir_all(top.join(name)).unwrap();
    }
    std::fs::copy(root().join("containers/bibd.service"), top.join("etc/systemd/system/bibd.service")).unwrap();
    // systemd looks whether they can be run
    for program in ["bib", "bibd"] {
        good(Command::new("install").args(["-m", "755", "/bin/true"]).arg(top.join("usr/local/bin").join(program)));
    }
    std::fs::create_dir(top.join("usr/lib/systemd")).unwrap();
    good(Command::new("cp").args(["-r", "/usr/lib/systemd/system"]).arg(top.join("usr/lib/systemd")));
    symlink("usr/lib", top.join("lib")).unwrap();
    top
}

#[test]
fn systemd_understands_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let top = installed(&folder);
    let output = end(Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(format!("--root={}", top.display()))
        .arg("bibd.service"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("bibd.service"), "{said}");
}

#[test]
fn the_unit_leaves_little_open() {
    let unit = root().join("containers/bibd.service");
    good(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold", MOST_EXPOSURE])
            .arg(&unit),
    );
}
