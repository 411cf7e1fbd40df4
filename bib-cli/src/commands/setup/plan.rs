//! What a setup writes: the daemon's configuration, changed only where the answers say something else.

use super::Args;
use super::answers::Answers;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::shell::word;
use std::path::Path;
use toml::{Table, Value};

/// What stands above the keys.
const HEAD: &str = "# made by bib setup; every key is explained in docs/reference/configuration.md\n\n";

/// The configuration before and after.
pub(super) struct Plan {
    before: Table,
    after: Table,
    text: String,
}

/// The present configuration; empty if there is none.
pub(super) fn read(path: &Path) -> CliResult<Table> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.parse().map_err(|error: toml::de::Error| {
            CliError::usage(format!("{} is not TOML: {}", path.display(), error.message())).because("BAD_CONFIG").hint(
                format!("mend it, or move it away: mv {} {}", word(path), word(&path.with_added_extension("old"))),
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Table::new()),
        Err(error) => Err(CliError::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))),
    }
}

impl Plan {
    /// Puts the answers into the present configuration.
    pub(super) fn new(present: &Table, answers: &Answers, args: &Args) -> CliResult<Self> {
        let mut after = present.clone();
        let data_dir =
            answers.data_dir.to_str().ok_or_else(|| CliError::usage("the data folder's name is not UTF-8"))?;
        put(&mut after, "node", "name", answers.name.clone().into());
        put(&mut after, "node", "mode", answers.mode.clone().into());
        put(&mut after, "node", "data_dir", data_dir.into());
        if answers.storage != "auto" || present.contains_key("database") {
            put(&mut after, "database", "runtime", answers.storage.clone().into());
        }
        let list = |items: Vec<String>| Value::Array(items.into_iter().map(Value::String).collect());
        if !args.grpc_listen.is_empty() {
            put(&mut after, "grpc", "listen", list(args.grpc_listen.iter().map(ToString::to_string).collect()));
        }
        put(&mut after, "p2p", "mdns", answers.mdns.into());
        if !args.p2p_listen.is_empty() {
            put(&mut after, "p2p", "listen", list(args.p2p_listen.clone()));
        }
        if let Some(address) = args.web_listen {
            put(&mut after, "web", "listen", address.to_string().into());
        }
        admit(&mut after, &answers.key.public);
        let body = toml::to_string(&after).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
        Ok(Self { before: present.clone(), after, text: format!("{HEAD}{body}") })
    }

    /// Whether there was no configuration.
    pub(super) fn is_new(&self) -> bool {
        self.before.is_empty()
    }

    /// Whether anything is to be written.
    pub(super) fn changes(&self) -> bool {
        self.before != self.after
    }

    /// The file.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The lines that go and come.
    pub(super) fn differences(&self) -> String {
        let lines = |table: &Table| toml::to_string(table).unwrap_or_default();
        differences(&lines(&self.before), &lines(&self.after))
    }
}

fn put(config: &mut Table, section: &str, key: &str, value: Value) {
    let table = config.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(table) = table {
        table.insert(key.to_owned(), value);
    }
}

/// Makes this user an administrator, unless the key is known already.
fn admit(config: &mut Table, key: &str) {
    let users = config.entry("users".to_owned()).or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(users) = users else { return };
    // a key is told by its type and its blob; the comment behind them is free
    let bare = |text: &str| text.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    if users.iter().any(|user| user.get("key").and_then(Value::as_str).is_some_and(|known| bare(known) == bare(key))) {
        return;
    }
    let name = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "admin".to_owned());
    let person: Table = [("name", name), ("role", "admin".to_owned()), ("key", key.to_owned())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::String(value)))
        .collect();
    users.push(Value::Table(person));
}

/// Lines that only one of two texts has.
fn differences(before: &str, after: &str) -> String {
    let gone =
        before.lines().filter(|line| !after.lines().any(|other| other == *line)).map(|line| format!("  - {line}"));
    let new =
        after.lines().filter(|line| !before.lines().any(|other| other == *line)).map(|line| format!("  + {line}"));
    gone.chain(new).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_differs() {
        assert_eq!(differences("a\nb\n", "a\nc\n"), "  - b\n  + c");
        assert_eq!(differences("a\n", "a\n"), "");
    }

    #[test]
    fn what_was_edited_by_hand_stays() {
        let mut config: Table = "[query]\nmax_rows = 5\n[node]\nname = \"a\"\n".parse().unwrap();
        put(&mut config, "node", "name", "b".into());
        assert_eq!(config["query"]["max_rows"].as_integer(), Some(5));
        assert_eq!(config["node"]["name"].as_str(), Some("b"));
    }

    #[test]
    fn a_user_is_admitted_once() {
        let mut config = Table::new();
        admit(&mut config, "ssh-ed25519 AAAA one");
        admit(&mut config, "ssh-ed25519 AAAA another-comment");
        admit(&mut config, "ssh-ed25519 BBBB");
        assert_eq!(config["users"].as_array().unwrap().len(), 2);
    }
}
