//! Starting the node that was set up: in the background, or by systemd at every login. Then tests that it answers.

use super::answers::Answers;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use crate::settings::socket_of;
use crate::shell::word;
use bib_proto::client::{Address, Trust};
use bib_proto::v1::GetSelfRequest;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a node may take to answer for the first time: it makes its database first.
const FIRST_ANSWER: Duration = Duration::from_secs(120);
/// How often it is asked.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Lines of its log that are shown when it ends early.
const LOG_LINES: usize = 5;
/// A log that is longer than this is put away before the node starts; the one put away before goes. Long enough for weeks,
/// and nothing on any disk.
const LOG_BYTES: u64 = 16 << 20;
/// How a unit begins that was written here. One that does not is somebody else's work.
const MADE: &str = "# made by bib setup\n";

/// When the node starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Start {
    /// You start it: bibd
    No,
    /// Now, in the background
    Now,
    /// Now and at every login, by systemd
    Login,
}

/// A node that was started and answers.
pub(super) struct Outcome {
    /// In which way.
    pub(super) how: String,
    pub(super) id: String,
    pub(super) fingerprint: String,
}

/// Asks when to start.
pub(super) fn ask(env: &Env) -> CliResult<Start> {
    let mut choices = vec![("now, in the background", Start::Now), ("not now: I start bibd myself", Start::No)];
    if systemd_answers() {
        let place = if is_root() { "now, and whenever this machine starts" } else { "now, and at every login" };
        choices.insert(0, (place, Start::Login));
    }
    let texts: Vec<String> = choices.iter().map(|(text, _)| (*text).to_owned()).collect();
    Ok(choices[env.ask().choose("Start it?", &texts)?].1)
}

/// Starts the node as the answers say, and waits until it answers.
pub(super) async fn start(env: &Env, answers: &Answers) -> CliResult<Option<Outcome>> {
    if answers.start == Start::No {
        return Ok(None);
    }
    let socket = Address::Unix(socket_of(&answers.data_dir));
    if let Some(mut found) = look(env, &socket).await {
        found.how = "as it did before; a change counts when it is started anew: bib admin shutdown".to_owned();
        return Ok(Some(found));
    }
    let config = std::path::absolute(env.home.daemon_config()).unwrap_or_else(|_| env.home.daemon_config());
    let log = answers.data_dir.join("bibd.log");
    let (mut child, how) = match answers.start {
        Start::Login => (None, by_systemd(&config)?),
        _ => (Some(in_background(&config, &log)?), format!("in the background; its log is {}", log.display())),
    };
    env.out.remark("starting the node; the first time takes some seconds");
    let mut waited = Duration::ZERO;
    while waited < FIRST_ANSWER {
        if let Some(mut found) = look(env, &Address::Unix(socket_of(&answers.data_dir))).await {
            found.how = how;
            return Ok(Some(found));
        }
        if let Some(status) = child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
            let text = format!("bibd ended at once, with {status}:\n{}", end_of(&log));
            return Err(CliError::new(Exit::Failed, text).because("NODE_ENDED").hint("bib doctor"));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        waited += LOOK_AGAIN;
    }
    Err(CliError::new(Exit::Pending, "the node was started and does not answer yet")
        .because("NODE_STARTING")
        .hint("bib status")
        .hint("bib doctor"))
}

/// Who answers at the socket, if anybody does.
async fn look(env: &Env, socket: &Address) -> Option<Outcome> {
    let client = env.connect(socket, Trust::KnownOnly).await.ok()?;
    let own = env.call(client.nodes().get_self(GetSelfRequest {})).await.ok()?.into_inner();
    let node = own.node.unwrap_or_default();
    Some(Outcome { how: String::new(), id: node.id, fingerprint: crate::views::fingerprint(&own.tls_fingerprint) })
}

fn bibd() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("bibd")).filter(|bibd| bibd.is_file());
    beside.unwrap_or_else(|| PathBuf::from("bibd"))
}

fn in_background(config: &Path, log: &Path) -> CliResult<Child> {
    let cannot = |what: &Path, error: std::io::Error| {
        CliError::new(Exit::Failed, format!("cannot start the node: {}: {error}", what.display()))
            .hint("start it yourself: bibd")
    };
    let file = private_log(log).map_err(|error| cannot(log, error))?;
    let copy = file.try_clone().map_err(|error| cannot(log, error))?;
    let program = bibd();
    let mut command = Command::new(&program);
    command.arg("--config").arg(config).stdin(Stdio::null()).stdout(copy).stderr(file);
    // what is typed at this terminal is not for it
    command.process_group(0);
    command.spawn().map_err(|error| cannot(&program, error))
}

/// Opens the log, and makes the node's folder around it as bibd would: whoever makes it says who may look into it.
fn private_log(log: &Path) -> std::io::Result<File> {
    if let Some(folder) = log.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    if std::fs::metadata(log).is_ok_and(|about| about.len() > LOG_BYTES) {
        std::fs::rename(log, log.with_extension("log.1"))?;
    }
    File::options().create(true).append(true).mode(0o600).open(log)
}

fn end_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].iter().map(|line| format!("  | {line}\n")).collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn systemctl(words: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    if !is_root() {
        command.arg("--user");
    }
    command.args(words).stdin(Stdio::null());
    command
}

/// Whether a systemd is there that would take a unit of this user.
fn systemd_answers() -> bool {
    let told = systemctl(&["is-system-running"]).output();
    told.is_ok_and(|told| {
        matches!(String::from_utf8_lossy(&told.stdout).trim(), "running" | "degraded" | "starting" | "initializing")
    })
}

/// Where the unit of this user belongs.
fn unit_file() -> Option<PathBuf> {
    if is_root() {
        return Some(PathBuf::from("/etc/systemd/system/bibd.service"));
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let base = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or(home);
    base.map(|base| base.join("systemd/user/bibd.service"))
}

/// What `containers/bibd.service` says about starting and stopping holds here too: PostgreSQL is stopped by bibd, in order,
/// and must not get a signal of its own; a database that mends itself takes its time.
fn unit(bibd: &Path, config: &Path) -> String {
    let target = if is_root() { "multi-user.target" } else { "default.target" };
    format!(
        "{MADE}[Unit]\nDescription=BIB node\nAfter=network-online.target\n\n[Service]\nType=notify\n\
         ExecStart=\"{}\" --config \"{}\"\nRestart=on-failure\nRestartForceExitStatus=70\nKillMode=mixed\n\
         TimeoutStartSec=10min\nTimeoutStopSec=2min\n\n[Install]\nWantedBy={target}\n",
        quoted(bibd),
        quoted(config)
    )
}

/// Whether the unit's file may be written: there is none, or it was written here. One that cannot be read may not.
fn may_write(unit: &Path) -> bool {
    match std::fs::read_to_string(unit) {
        Ok(text) => text.starts_with(MADE),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// A path between the quotes of a unit, where `%` begins the name of something else.
fn quoted(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

fn by_systemd(config: &Path) -> CliResult<String> {
    let cannot = |why: String| {
        CliError::new(Exit::Failed, format!("cannot hand the node to systemd: {why}"))
            .because("NO_SYSTEMD")
            .hint("bib setup --start now")
    };
    if !systemd_answers() {
        return Err(cannot("no systemd of this user answers here".to_owned()));
    }
    let path = unit_file().ok_or_else(|| cannot("HOME is not set".to_owned()))?;
    if !may_write(&path) {
        let text = format!("{} is there already, and bib setup did not write it: it stays as it is", path.display());
        let own = if is_root() { "systemctl enable --now bibd" } else { "systemctl --user enable --now bibd" };
        return Err(CliError::new(Exit::Failed, text)
            .because("NO_SYSTEMD")
            .hint(format!("start the node by that unit: {own}"))
            .hint(format!(
                "or move it away and set up again: mv {} {}",
                word(&path),
                word(&path.with_added_extension("old"))
            )));
    }
    let program = std::path::absolute(bibd()).unwrap_or_else(|_| bibd());
    crate::settings::write_private(&path, &unit(&program, config))?;
    for words in [&["daemon-reload"][..], &["enable", "--now", "bibd.service"]] {
        let output = systemctl(words).output().map_err(|error| cannot(error.to_string()))?;
        if !output.status.success() {
            return Err(cannot(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
    }
    Ok(by_unit(&path, is_root()))
}

/// In which way it runs. The systemd of an ordinary user ends with the user's last session, and the node with it.
fn by_unit(unit: &Path, root: bool) -> String {
    let unit = unit.display();
    if root {
        return format!("by systemd, also whenever this machine starts; its unit is {unit}");
    }
    format!(
        "by systemd, also at the next login; its unit is {unit}\n  it stops when you log out, unless you allow it to stay, \
         once: loginctl enable-linger"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_starts_this_node_and_waits_until_it_is_ready() {
        let text = unit(Path::new("/opt/bib/bibd"), Path::new("/home/ada/.config/bib/bibd.toml"));
        assert!(text.contains("ExecStart=\"/opt/bib/bibd\" --config \"/home/ada/.config/bib/bibd.toml\"\n"), "{text}");
        assert!(text.contains("Type=notify"));
        let machine = std::fs::read_to_string(package_dir().join("../containers/bibd.service")).unwrap();
        for line in ["KillMode=mixed", "TimeoutStartSec=10min", "TimeoutStopSec=2min"] {
            assert!([&text, &machine].iter().all(|unit| unit.lines().any(|given| given == line)), "{line}: {text}");
        }
        let text = unit(Path::new("/opt/bib/bibd"), Path::new("/srv/100%/a\"b\\c.toml"));
        assert!(text.contains(r#"--config "/srv/100%%/a\"b\\c.toml""#), "{text}");
    }

    #[test]
    fn a_unit_of_somebody_else_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bibd.service");
        assert!(may_write(&path), "none is there");
        std::fs::write(&path, unit(Path::new("/opt/bib/bibd"), Path::new("/etc/bib/bibd.toml"))).unwrap();
        assert!(may_write(&path), "it was written here");
        for other in ["[Unit]\nDescription=mine\n", "", "# was made by bib setup\n", "\n# made by bib setup\n"] {
            std::fs::write(&path, other).unwrap();
            assert!(!may_write(&path), "{other:?}");
        }
        // a unit that is masked
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(!may_write(&path));
    }

    #[test]
    fn an_ordinary_user_is_told_how_the_node_stays() {
        let path = Path::new("/x/bibd.service");
        assert!(by_unit(path, false).contains("loginctl enable-linger"));
        assert!(!by_unit(path, true).contains("linger") && by_unit(path, true).contains("/x/bibd.service"));
    }

    #[test]
    fn a_long_log_is_put_away_before_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let (log, old) = (folder.path().join("bibd.log"), folder.path().join("bibd.log.1"));
        std::fs::write(&log, "short\n").unwrap();
        drop(private_log(&log).unwrap());
        assert!(log.exists() && !old.exists());
        std::fs::write(&old, "older\n").unwrap();
        File::options().write(true).open(&log).unwrap().set_len(LOG_BYTES + 1).unwrap();
        drop(private_log(&log).unwrap());
        let len = |path: &Path| std::fs::metadata(path).unwrap().len();
        assert_eq!((len(&log), len(&old)), (0, LOG_BYTES + 1));
    }

    /// Where this package's sources are: a cached build may have been made from another copy of them.
    fn package_dir() -> PathBuf {
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
    }

    #[test]
    fn the_folder_of_a_node_is_closed_from_the_beginning() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("node/bibd.log");
        drop(private_log(&log).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(log.parent().unwrap()), mode(&log)), (0o700, 0o600));
        drop(private_log(&log).unwrap());
    }

    #[test]
    fn the_end_of_a_log_is_short() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("bibd.log");
        std::fs::write(&log, (0..50).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        assert_eq!(end_of(&log).lines().count(), LOG_LINES);
        assert!(end_of(&log).ends_with("  | 49\n"));
    }
}
