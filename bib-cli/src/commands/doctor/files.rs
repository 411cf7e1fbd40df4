//! Checks of files: the daemon's configuration, the node's key, this program's own.

use super::check::Check;
use super::fix::Fix;
use crate::error::CliError;
use crate::output::counted;
use crate::session::Env;
use crate::shell::word;
use bib_proto::client::Session;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The daemon's configuration.
pub(super) fn config(env: &Env) -> Vec<Check> {
    let path = env.home.daemon_config();
    let Ok(text) = std::fs::read_to_string(&path) else {
        return vec![Check::warn("config", "file", format!("{} is not there; make it: bib setup", path.display()))];
    };
    if let Err(error) = text.parse::<toml::Table>() {
        let text = format!("{} is not TOML: {}", path.display(), error.message());
        return vec![Check::fail("config", "file", text)];
    }
    let mut checks = vec![closed("config", "file", &path)];
    checks.extend(understood(&path));
    checks
}

/// Whether bibd takes the file: unknown keys, wrong values.
fn understood(path: &Path) -> Option<Check> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("bibd")).filter(|bibd| bibd.is_file());
    let bibd = beside.unwrap_or_else(|| PathBuf::from("bibd"));
    match Command::new(bibd).arg("--config").arg(path).arg("check-config").output() {
        Ok(output) if output.status.success() => Some(Check::ok("config", "values", "bibd takes every key and value")),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let why = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("bibd refuses it").to_owned();
            Some(Check::fail("config", "values", why.trim_start_matches("error: ").to_owned()))
        }
        // no bibd here: the node may be elsewhere
        Err(_) => None,
    }
}

/// The node's key.
pub(super) fn identity(data_dir: &Path) -> Vec<Check> {
    let key = data_dir.join("identity.key");
    let check = match std::fs::metadata(&key) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Check::warn(
            "identity",
            "key",
            format!("{} belongs to another user, so it was not looked at", key.display()),
        ),
        Err(_) => Check::warn("identity", "key", "none yet; bibd makes it at its first start"),
        Ok(_) => closed("identity", "key", &key),
    };
    vec![check]
}

/// A file that must be readable by its user alone.
fn closed(area: &'static str, check: &'static str, path: &Path) -> Check {
    let open = std::fs::metadata(path).is_ok_and(|seen| seen.permissions().mode() & 0o077 != 0);
    if open {
        let text = format!("others can read {}; close it: chmod 600 {}", path.display(), word(path));
        return Check::fail(area, check, text).with(Fix::Close(path.to_owned(), 0o600));
    }
    Check::ok(area, check, format!("{}, readable by its user alone", path.display()))
}

/// This program's own files.
pub(super) fn client(env: &Env, damage: Option<&CliError>) -> Vec<Check> {
    let mut checks = Vec::new();
    let text = |error: &CliError| error.message.trim().replace('\n', " ");
    checks.extend(
        damage.map(|error| {
            Check::fail("client", "settings", text(error)).with(Fix::SetAside(env.home.file().to_owned()))
        }),
    );
    // files of others, and single values, are for a person to mend
    checks.extend(env.damage.iter().map(|error| {
        let advice = error.hints.first().map(|hint| format!("; {hint}")).unwrap_or_default();
        Check::fail("client", "settings", format!("{}{advice}", text(error)))
    }));
    if checks.is_empty() {
        checks.push(Check::ok("client", "settings", env.home.file().display().to_string()));
    }
    checks.push(match env.home.trust().load() {
        Ok(known) => {
            Check::ok("client", "trusted-nodes", format!("{} kept", counted(known.len() as u64, "fingerprint")))
        }
        Err(error) => Check::fail("client", "trusted-nodes", error.to_string()),
    });
    checks.extend(sessions(env));
    if let Some(key) = env.layers.find(|settings| settings.ssh_key.clone()).map(|(path, _)| path) {
        checks.push(if key.exists() {
            closed("client", "key", &key)
        } else {
            let text = format!("{} is not there; name another: bib config set ssh_key FILE", key.display());
            Check::fail("client", "key", text)
        });
    }
    checks
}

/// Sessions that are kept: readable by others, or of no use any more.
fn sessions(env: &Env) -> Vec<Check> {
    let files = std::fs::read_dir(env.home.sessions()).into_iter().flatten().flatten();
    let (mut good, mut checks) = (0, Vec::new());
    for path in files.map(|entry| entry.path()).filter(|path| path.is_file()) {
        match Session::load(&path) {
            Some(session) if session.expires_ms > crate::now_ms() => {
                let check = closed("client", "session", &path);
                good += 1;
                checks.extend(check.fix.is_some().then_some(check));
            }
            Some(_) => checks.push(
                Check::ok("client", "session", format!("{} has expired", path.display())).with(Fix::Remove(path)),
            ),
            None => checks.push(
                Check::warn("client", "session", format!("{} cannot be read", path.display())).with(Fix::Remove(path)),
            ),
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("client", "session", format!("{} kept", counted(good, "session"))));
    }
    checks
}
