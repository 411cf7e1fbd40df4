//! The answers of a setup: given, asked for, or taken from what is there.

use super::Args;
use super::key::{self, Key};
use super::start::{self, Start};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::postgres::Postgres;
use crate::session::Env;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::PathBuf;

/// Answers as flags or a file give them; what is missing is asked for or has a default.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Given {
    pub(super) name: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) storage: Option<String>,
    pub(super) data_dir: Option<PathBuf>,
    pub(super) ssh_key: Option<PathBuf>,
    pub(super) mdns: Option<bool>,
    pub(super) start: Option<Start>,
}

/// All answers.
pub(super) struct Answers {
    pub(super) name: String,
    pub(super) mode: String,
    pub(super) storage: String,
    pub(super) data_dir: PathBuf,
    pub(super) key: Key,
    pub(super) mdns: bool,
    pub(super) start: Start,
}

/// What a node may keep.
pub(super) const MODES: [&str; 3] = ["full", "selective", "proxy"];

/// What the flags and the file of `--from` say; the flags win.
pub(super) fn given(args: &Args) -> CliResult<Given> {
    let file: Given = match &args.from {
        None => Given::default(),
        Some(path) => {
            let refuse =
                |why: String| CliError::usage(format!("--from: {}: {why}", path.display())).because("BAD_ANSWERS");
            let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
            toml::from_str(&text).map_err(|error| refuse(error.message().to_owned()))?
        }
    };
    for (what, value, known) in
        [("mode", &file.mode, &MODES), ("storage", &file.storage, &["auto", "process", "sqlite"])]
    {
        if let Some(value) = value.as_deref().filter(|value| !known.contains(value)) {
            return Err(CliError::usage(format!("--from: {what} cannot be {value:?}"))
                .because("BAD_ANSWERS")
                .hint(format!("{what}: {}", known.join(", "))));
        }
    }
    Ok(Given {
        name: args.name.clone().or(file.name),
        mode: args.mode.clone().or(file.mode),
        storage: args.storage.clone().or(file.storage),
        data_dir: args.data_dir.clone().or(file.data_dir),
        ssh_key: file.ssh_key,
        mdns: args.no_mdns.then_some(false).or(file.mdns),
        start: args.start.or(file.start),
    })
}

/// Refuses to go on with defaults: names every answer that is missing, with its choices.
pub(super) fn all_given(given: &Given) -> CliResult {
    let missing = [
        (given.name.is_none(), json!({"key": "name", "flag": "--name", "default": host()})),
        (given.mode.is_none(), json!({"key": "mode", "flag": "--mode", "choices": MODES})),
        (
            given.storage.is_none(),
            json!({"key": "storage", "flag": "--storage", "choices": ["auto", "process", "sqlite"]}),
        ),
        (given.start.is_none(), json!({"key": "start", "flag": "--start", "choices": ["no", "now", "login"]})),
    ];
    let missing: Vec<_> =
        missing.into_iter().filter(|(is_missing, _)| *is_missing).map(|(_, question)| question).collect();
    if missing.is_empty() {
        return Ok(());
    }
    crate::output::line(&json!({ "missing": missing }).to_string());
    let keys: Vec<&str> = missing.iter().filter_map(|question| question["key"].as_str()).collect();
    Err(CliError::usage(format!("not answered: {}", keys.join(", ")))
        .because("ANSWERS_MISSING")
        .hint("bib setup --help"))
}

/// The answers that a configuration came from.
pub(super) fn of_config(config: &toml::Table, ssh_key: Option<PathBuf>) -> Given {
    let text = |section: &str, key: &str| Some(config.get(section)?.get(key)?.as_str()?.to_owned());
    Given {
        name: text("node", "name"),
        mode: text("node", "mode"),
        storage: text("database", "runtime"),
        data_dir: text("node", "data_dir").map(PathBuf::from),
        ssh_key,
        mdns: config.get("p2p").and_then(|p2p| p2p.get("mdns")).and_then(toml::Value::as_bool),
        start: None,
    }
}

fn host() -> String {
    hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "bib".to_owned())
}

/// What a node is for, in the words of the question.
const PURPOSES: [(&str, &str); 5] = [
    ("my own machine: what I put in, and topics I subscribe to", "selective"),
    ("share in the lab: the same, and others get it from here", "selective"),
    ("a copy of everything that its base nodes have", "full"),
    ("copies of others' topics for this machine alone: a cache that needs no PostgreSQL", "selective"),
    ("only read from others: a proxy that keeps nothing", "proxy"),
];

impl Answers {
    /// Fills in what is missing: from the person, else from the present setup, else the usual.
    pub(super) async fn settle(
        env: &Env,
        given: Given,
        present: &toml::Table,
        asks: bool,
        dry_run: bool,
    ) -> CliResult<Self> {
        let before = of_config(present, env.settings.ssh_key.clone());
        let ask = env.ask();
        let usual = before.name.unwrap_or_else(host);
        let name = match given.name {
            Some(name) => name,
            None if asks => ask.text("Name of this node?", &usual)?,
            None => usual,
        };
        let found = Postgres::find().filter(Postgres::is_usable);
        let mut cache = false;
        let mode = match given.mode {
            Some(mode) => mode,
            None if asks => {
                let mut order: Vec<usize> = (0..PURPOSES.len()).collect();
                if before.mode.as_deref() == Some("full") {
                    order.rotate_left(2);
                }
                let choices: Vec<String> = order.iter().map(|index| PURPOSES[*index].0.to_owned()).collect();
                let chosen = order[ask.choose("What is it for?", &choices)?];
                cache = chosen == 3;
                PURPOSES[chosen].1.to_owned()
            }
            None => before.mode.unwrap_or_else(|| "selective".to_owned()),
        };
        let storage = match given.storage {
            Some(storage) => storage,
            None if cache => "sqlite".to_owned(),
            None if mode == "proxy" => "auto".to_owned(),
            None if asks => ask_storage(env, found.as_ref(), before.storage.as_deref())?,
            None => before.storage.unwrap_or_else(|| "auto".to_owned()),
        };
        if mode == "full" && (storage == "sqlite" || (storage == "process" && found.is_none())) {
            return Err(no_postgres());
        }
        let usual = before.data_dir.unwrap_or_else(|| env.data_dir());
        let data_dir = match given.data_dir {
            Some(folder) => folder,
            None if asks => {
                PathBuf::from(ask.text("Where does it keep its data? (a local disk)", &usual.display().to_string())?)
            }
            None => usual,
        };
        let data_dir = std::path::absolute(&data_dir)
            .map_err(|error| CliError::usage(format!("{} is not a folder name: {error}", data_dir.display())))?;
        let key = key::find(env, given.ssh_key, asks).await?;
        let usual = before.mdns.unwrap_or(true);
        let mdns = match given.mdns {
            Some(mdns) => mdns,
            None if asks => ask.confirm("Find nodes on this network by themselves (multicast DNS)?", usual)?,
            None => usual,
        };
        let start = match given.start {
            Some(start) => start,
            None if asks && !dry_run => start::ask(env)?,
            None => Start::No,
        };
        Ok(Self { name, mode, storage, data_dir, key, mdns, start })
    }

    /// What the catalogue will be kept in, for people.
    pub(super) fn database(&self) -> String {
        let found = Postgres::find().filter(Postgres::is_usable);
        if self.mode == "proxy" && self.storage != "process" {
            return "it keeps nothing of others' data: what is read stays in memory for a while".to_owned();
        }
        match (self.storage.as_str(), found) {
            ("sqlite", _) | ("auto", None) => {
                "its catalogue is in SQLite: a cache of other nodes' data, which serves nobody".to_owned()
            }
            (_, Some(found)) => {
                format!("its catalogue is in a {} of its own, from {}", found.name(), found.folder.display())
            }
            (_, None) => "its catalogue is in a PostgreSQL of its own, which is not installed yet".to_owned(),
        }
    }
}

fn ask_storage(env: &Env, found: Option<&Postgres>, before: Option<&str>) -> CliResult<String> {
    let Some(found) = found else {
        crate::output::note(
            "No PostgreSQL 14 to 18 was found. Without one, this node runs on SQLite: a cache of other nodes' data\n\
             that takes nothing in of its own and serves nobody. To have one: apt-get install postgresql",
        );
        return match env.ask().confirm("Go on with SQLite?", true)? {
            true => Ok("sqlite".to_owned()),
            false => Err(no_postgres()),
        };
    };
    let mut choices = [
        (format!("a {} of its own (found in {})", found.name(), found.folder.display()), "process"),
        ("SQLite: only a cache of other nodes' data, which serves nobody".to_owned(), "sqlite"),
    ];
    if before == Some("sqlite") {
        choices.reverse();
    }
    let texts: Vec<String> = choices.iter().map(|(text, _)| text.clone()).collect();
    Ok(choices[env.ask().choose("Where does it keep its catalogue?", &texts)?].1.to_owned())
}

fn no_postgres() -> CliError {
    CliError::new(Exit::NotInThisMode, "a full node needs PostgreSQL 14 to 18, and none was found or SQLite was chosen")
        .because("MODE_NEEDS_POSTGRES")
        .hint("apt-get install postgresql, then bib setup")
        .hint("name the folder of initdb and postgres: BIB_POSTGRES_BIN=/opt/pg/bin bib setup")
        .hint("or be a cache: bib setup --mode selective --storage sqlite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_from_the_file_that_they_made() {
        let config: toml::Table = "[node]\nname = \"a\"\nmode = \"full\"\ndata_dir = \"/d\"\n[database]\nruntime = \"process\"\n[p2p]\nmdns = false\n"
            .parse()
            .unwrap();
        let given = of_config(&config, None);
        assert_eq!((given.name.as_deref(), given.mode.as_deref()), (Some("a"), Some("full")));
        assert_eq!((given.storage.as_deref(), given.mdns, given.start), (Some("process"), Some(false), None));
        let text = toml::to_string(&given).unwrap();
        let again: Given = toml::from_str(&text).unwrap();
        assert_eq!(again.data_dir, given.data_dir);
    }
}
