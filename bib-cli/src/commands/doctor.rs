//! `bib doctor`: checks this machine and the node on it, also while the node is down.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, column, counted, field};
use crate::session::Env;
use crate::settings::{default_data_dir, socket_of};
use bib_proto::v1::{GetHealthRequest, GetSelfRequest, VerifyAuditRequest};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Less free space than this fails.
const FAIL_FREE_BYTES: u64 = 1 << 30;
/// Less free space than this share, in percent, is a warning.
const WARN_FREE_PERCENT: u64 = 10;
/// Fewer open files than this is a warning.
const WARN_OPEN_FILES: u64 = 4096;

/// Nothing to say.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib doctor\n  bib doctor -o json")]
pub(crate) struct Args {}

struct Check {
    area: &'static str,
    name: &'static str,
    state: &'static str,
    detail: String,
}

const OK: &str = "ok";
const WARN: &str = "warn";
const FAIL: &str = "fail";

fn check(area: &'static str, name: &'static str, state: &'static str, detail: impl Into<String>) -> Check {
    Check { area, name, state, detail: detail.into() }
}

/// Runs every check; exit code 11 if one fails. `damage`: why this program's own settings cannot be read.
pub(super) async fn run(env: &Env, _args: Args, damage: Option<CliError>) -> CliResult {
    let data_dir = env.settings.data_dir.clone().unwrap_or_else(default_data_dir);
    let mut checks = machine(&data_dir);
    checks.push(match &damage {
        Some(error) => check("client", "settings", FAIL, error.message.clone()),
        None => check("client", "settings", OK, env.home.path().display().to_string()),
    });
    checks.push(postgres());
    checks.extend(files(env, &data_dir));
    checks.extend(node(env).await);
    let items: Vec<Value> = checks
        .iter()
        .map(|c| json!({"name": format!("{}.{}", c.area, c.name), "area": c.area, "check": c.name, "state": c.state, "detail": c.detail}))
        .collect();
    let columns = [
        column("STATE", |v| {
            let glyph = match field(v, "state").as_str() {
                OK => "✓",
                WARN => "!",
                _ => "✗",
            };
            format!("{glyph} {}", field(v, "state"))
        })
        .exact("state", |v| field(v, "state")),
        column("CHECK", |v| field(v, "name")),
        column("DETAIL", |v| field(v, "detail")),
    ];
    env.out.list(&items, &columns, "no checks")?;
    let failed = checks.iter().filter(|c| c.state == FAIL).count() as u64;
    if failed == 0 {
        return Ok(());
    }
    Err(CliError::new(Exit::Unhealthy, format!("{} failed", counted(failed, "check")))
        .because("UNHEALTHY")
        .hint("each failed line says what is wrong; mend it and look again: bib doctor"))
}

fn machine(data_dir: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    checks.push(if limit < WARN_OPEN_FILES {
        check("os", "open-files", WARN, format!("{limit} files may be open at once; raise it: ulimit -n 65536"))
    } else {
        check("os", "open-files", OK, format!("{limit} files may be open at once"))
    });
    let there = data_dir.ancestors().find(|path| path.exists()).unwrap_or_else(|| Path::new("/"));
    checks.push(match rustix::fs::statvfs(there) {
        Err(error) => check("os", "disk", FAIL, format!("cannot look at {}: {error}", there.display())),
        Ok(disk) => {
            let (free, total) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
            let share = (free * 100).checked_div(total).unwrap_or(0);
            let state = if free < FAIL_FREE_BYTES {
                FAIL
            } else if share < WARN_FREE_PERCENT {
                WARN
            } else {
                OK
            };
            check("os", "disk", state, format!("{} free of {} for {}", bytes(free), bytes(total), data_dir.display()))
        }
    });
    checks
}

fn postgres() -> Check {
    let mut places: Vec<PathBuf> = std::env::var_os("BIB_POSTGRES_BIN").map(PathBuf::from).into_iter().collect();
    places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        let mut found: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin")).collect();
        found.sort();
        places.extend(found.into_iter().rev());
    }
    match places.iter().find(|place| place.join("postgres").is_file() && place.join("initdb").is_file()) {
        Some(place) => check("database", "postgres", OK, format!("found in {}", place.display())),
        None => check(
            "database",
            "postgres",
            WARN,
            "not found: this node can only run on SQLite, as a cache that serves nobody; apt-get install postgresql",
        ),
    }
}

fn files(env: &Env, data_dir: &Path) -> Vec<Check> {
    let mut checks = Vec::new();
    let config = env.home.daemon_config();
    checks.push(match std::fs::read_to_string(&config).map(|text| text.parse::<toml::Table>()) {
        Err(_) => check("config", "file", WARN, format!("{} is not there; make it: bib setup", config.display())),
        Ok(Err(error)) => {
            check("config", "file", FAIL, format!("{} is not TOML: {}", config.display(), error.message()))
        }
        Ok(Ok(_)) => check("config", "file", OK, config.display().to_string()),
    });
    let key = data_dir.join("identity.key");
    checks.push(match std::fs::metadata(&key) {
        Err(_) => check("identity", "key", WARN, "none yet; bibd makes it at its first start"),
        Ok(seen) if seen.permissions().mode() & 0o077 != 0 => {
            let path = key.display();
            check("identity", "key", FAIL, format!("others can read it; close it: chmod 600 {path}"))
        }
        Ok(_) => check("identity", "key", OK, "readable by its user alone"),
    });
    checks.push(match env.home.trust().load() {
        Ok(known) => check("client", "trusted-nodes", OK, format!("{} kept", known.len())),
        Err(error) => check("client", "trusted-nodes", FAIL, error.to_string()),
    });
    let socket = socket_of(data_dir);
    let state = if socket.exists() {
        format!("socket {}", socket.display())
    } else {
        "no socket: bibd is not running".to_owned()
    };
    checks.push(check("node", "socket", if socket.exists() { OK } else { WARN }, state));
    checks
}

async fn node(env: &Env) -> Vec<Check> {
    let client = match env.client().await {
        Ok(client) => client,
        Err(error) => {
            let advice = error.hints.first().map(|hint| format!("; {hint}")).unwrap_or_default();
            return vec![check("node", "answers", FAIL, format!("{}{advice}", error.message))];
        }
    };
    let mut checks = Vec::new();
    match env.call(client.nodes().get_self(GetSelfRequest {})).await {
        Ok(answer) => {
            let answer = answer.into_inner();
            checks.push(check("node", "answers", OK, format!("bibd {}", answer.version)));
            let own = env!("CARGO_PKG_VERSION");
            if answer.version != own {
                checks.push(check("node", "version", WARN, format!("bib is {own}, bibd is {}", answer.version)));
            }
            if !answer.storage_notice.is_empty() {
                checks.push(check("database", "storage", WARN, answer.storage_notice));
            }
        }
        Err(error) => checks.push(check("node", "answers", FAIL, error.message)),
    }
    if let Ok(health) = env.call(client.health().get_health(GetHealthRequest {})).await {
        let health = health.into_inner();
        let away: Vec<String> = health
            .actors
            .iter()
            .filter(|a| a.state != "running")
            .map(|a| format!("{} is {}", a.name, a.state))
            .collect();
        let text = if away.is_empty() { format!("all {} run", health.actors.len()) } else { away.join(", ") };
        checks.push(check("node", "actors", if away.is_empty() { OK } else { FAIL }, text));
        let told: Vec<String> = checks.iter().map(|check| check.detail.clone()).collect();
        let new = health.warnings.into_iter().filter(|warning| !told.contains(warning));
        checks.extend(new.map(|warning| check("node", "warning", WARN, warning)));
    }
    match env.call(client.admin().verify_audit(VerifyAuditRequest {})).await.map(tonic::Response::into_inner) {
        Ok(verdict) if verdict.ok => {
            checks.push(check("audit", "chain", OK, format!("{} records, whole", verdict.records)))
        }
        Ok(verdict) => checks.push(check("audit", "chain", FAIL, verdict.problem)),
        Err(error) => checks.push(check("audit", "chain", WARN, format!("not verified: {}", error.message))),
    }
    checks
}
