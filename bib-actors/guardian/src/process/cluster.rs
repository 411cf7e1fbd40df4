//! Makes the data directory, and sets the superuser's password without a running server.
//!
//! The data directory appears under its name only when it is whole. The superuser has a verifier from the first moment,
//! and the password itself is never on the disk or on a command line.

use super::layout::own;
use super::{Server, config, tail};
use crate::credentials::{Credentials, SUPERUSER};
use crate::error::GuardianError;
use crate::files;
use std::io::Write;
use std::process::{Output, Stdio};

fn failed(program: &str, output: &Output) -> GuardianError {
    let said = [output.stderr.as_slice(), &output.stdout].map(tail::of_bytes);
    let said = said.iter().find(|text| !text.is_empty()).map_or("it said nothing", String::as_str);
    GuardianError::Setup(format!(
        "{program} failed ({}): {said}; correct what it says and start bibd again, nothing was lost",
        output.status
    ))
}

/// Makes the data directory with checksums.
pub(crate) fn init(server: &Server, credentials: &Credentials) -> Result<(), GuardianError> {
    let Server { layout, account, binaries } = server;
    let new = layout.root.join("data.new");
    match std::fs::remove_dir_all(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(GuardianError::file("remove the unfinished", &new)(error));
        }
        _ => files::private_dir(&new)?,
    }
    own(&new, account.uid, account.gid, 0o700)?;

    // what initdb takes for a password may be a verifier, which is then kept as it is
    config::write_readable(layout, account, "verifier", &format!("{}\n", credentials.verifier(SUPERUSER)))?;
    let verifier = layout.conf.join("verifier");
    let output = account
        .command(&binaries.initdb)
        .arg("-D")
        .arg(&new)
        .arg(format!("--username={SUPERUSER}"))
        .arg(format!("--pwfile={}", verifier.display()))
        .args(["--data-checksums", "--auth=reject", "--encoding=UTF8", "--locale=C", "--no-instructions"])
        .stdin(Stdio::null())
        .output()
        .map_err(GuardianError::file("run", &binaries.initdb));
    let removed = std::fs::remove_file(&verifier);
    let output = output?;
    if !output.status.success() {
        return Err(failed("initdb", &output));
    }
    removed.map_err(GuardianError::file("remove", &verifier))?;
    std::fs::rename(&new, &layout.data).map_err(GuardianError::file("name", &layout.data))?;
    files::sync_dir(&layout.root)
}

/// Sets the superuser's verifier in single-user mode: the way back when the sealed credentials are new.
pub(crate) fn reset_superuser(server: &Server, credentials: &Credentials) -> Result<(), GuardianError> {
    let Server { layout, account, binaries } = server;
    let doing = GuardianError::file("run", &binaries.postgres);
    let mut child = account
        .command(&binaries.postgres)
        .args(["--single", "-c", "log_min_error_statement=panic", "-c", "exit_on_error=true", "-D"])
        .arg(&layout.data)
        .arg("postgres")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(doing)?;
    // in this mode a statement ends with its line
    let statement = format!("alter role {SUPERUSER} login superuser password '{}'\n", credentials.verifier(SUPERUSER));
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(statement.as_bytes()));
    let output = child.wait_with_output().map_err(GuardianError::file("wait for", &binaries.postgres))?;
    written.map_err(GuardianError::file("speak to", &binaries.postgres))?;
    if output.status.success() { Ok(()) } else { Err(failed("postgres --single", &output)) }
}
