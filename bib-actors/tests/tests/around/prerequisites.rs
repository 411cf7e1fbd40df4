//! `.ci/prerequisites` names what is missing before anything is built, and says nothing when all is there.

use super::shell::{bad, end, root};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The script where the compiler says that it is `rustc`, and nothing can be installed.
fn prerequisites(folder: &Path, rustc: &str) -> Command {
    let compiler = format!("#!/bin/sh\necho '{rustc}'\n");
    for (name, lines) in
        [("rustc", compiler.as_str()), ("apt-get", "#!/bin/sh\nexit 1\n"), ("sudo", "#!/bin/sh\nexit 1\n")]
    {
        let program = folder.join(name);
        std::fs::write(&program, lines).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }
    let path = std::env::var_os("PATH").unwrap();
    let places = [folder.to_owned()].into_iter().chain(std::env::split_paths(&path));
    let mut command = Command::new(root().join(".ci/prerequisites"));
    // the script finds the tree by itself
    command.env("PATH", std::env::join_paths(places).unwrap()).current_dir(folder);
    command
}

#[test]
fn a_compiler_that_is_too_old_is_named_and_one_that_is_not_passes() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let wanted =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap().trim_end_matches('"');
    let folder = tempfile::tempdir().unwrap();
    for old in ["rustc 1.63.0 (4b91a6ea7 2022-08-08)", "rustc 1.9.0", ""] {
        let said = bad(&mut prerequisites(folder.path(), old));
        assert!(said.contains(&format!("needs Rust {wanted} or newer")) && said.contains("rustup"), "{said}");
    }
    for good in [format!("rustc {wanted}.0 (59807616e 2026-04-14)"), "rustc 1.1000.0-nightly".to_owned()] {
        let output = end(&mut prerequisites(folder.path(), &good));
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.is_empty(), "{good}: {said}");
    }
}
