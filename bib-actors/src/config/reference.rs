//! The page of the configuration: made from the fields of [`Config`], their comments, the defaults and the flags.
//!
//! `BIB_BLESS=1 cargo test` writes it anew.

use super::{Config, Overrides};
use clap::{Args, Command};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

const HEAD: &str = "# Configuration of bibd

This page is made from the program itself, by a test: `make reference` writes it anew.

`bib setup` writes the file; it can be edited by hand. `bibd check-config` says whether it is good, `bibd print-config`
prints every value that applies.

The first of these files that exists is read: `./bibd.toml`, `~/.config/bib/bibd.toml`, `/etc/bib/bibd.toml`, unless
`--config FILE` or `BIBD_CONFIG` names one. What stands in it wins over the defaults; the environment wins over the file,
and the command line over the environment. An unknown key is refused.

| key | default | flag, environment | meaning |
|---|---|---|---|
";

const TAIL: &str = r#"
```toml
[node]
name = "lab-a"
mode = "full"
data_dir = "/srv/bib"

[p2p]
mdns = true

[[users]]
name = "ada"
role = "admin"
key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA... ada@lab"
```

## Files in the data folder

| path | what | back it up |
|---|---|---|
| `identity.key` | the node's Ed25519 key: its id, its signatures, and the keys derived from it | yes, and keep it secret |
| `blobs/` | chunks by their SHA-256 | yes |
| `manifests/` | signed manifests by version | yes |
| `audit/` | the audit log | yes |
| `postgres/` or `bib.sqlite` | the catalogue | with the node stopped |
| `postgres/log/` | PostgreSQL's own log, a file for each day of the week, begun anew a week later | no |
| `postgres/ballast` | room for emergencies, see [when storage fails](../explanation/storage-faults.md) | no |
| `secrets/` | the database's passwords, sealed with a key from the identity | yes |
| `tls/` | certificate authority and server certificate of the API | yes, or clients must trust anew |
| `run/` | the Unix sockets, for calls and for open files | no |
| `bibd.log`, `bibd.log.1` | the node's log, only where `bib setup --start now` started it; else it is where standard error goes | no |

[Back up and restore](../how-to/back-up-and-restore.md) says how to copy all of it at one moment; a copy of parts is none.

## Service managers

`bibd` stays in the foreground, logs to standard error, tells systemd that it is ready (`Type=notify`), stops in order on
SIGTERM, SIGINT and SIGHUP (but not on SIGHUP under `nohup`), and ends with 0 (stopped), 1 (could not start) or 70 (failed; start it anew).
"#;

/// Defaults that are this machine's or this user's.
const LOCAL: [(&str, &str); 2] =
    [("node.name", "the host name"), ("node.data_dir", "`/var/lib/bib` for root, else `~/.local/share/bib`")];

/// A field of a structure: name, type, comment.
type Field = (String, String, String);

/// Every structure of the configuration with its public fields, as the source has them.
fn structures() -> BTreeMap<String, Vec<Field>> {
    let (mut found, mut inside) = (BTreeMap::<String, Vec<Field>>::new(), None::<String>);
    let mut comment = String::new();
    for line in include_str!("mod.rs").lines() {
        let text = line.trim();
        if let Some(more) = text.strip_prefix("///") {
            comment = format!("{comment} {}", more.trim());
        } else if let Some(name) = line.strip_prefix("pub struct ") {
            inside = Some(name.trim_end_matches(" {").to_owned());
            comment.clear();
        } else if line == "}" {
            inside = None;
        } else if let (Some(structure), Some((name, kind))) =
            (&inside, text.strip_prefix("pub ").and_then(|rest| rest.trim_end_matches(',').split_once(": ")))
        {
            let field = (name.to_owned(), kind.to_owned(), std::mem::take(&mut comment).trim().to_owned());
            found.entry(structure.clone()).or_default().push(field);
        } else if !text.starts_with("#[") {
            comment.clear();
        }
    }
    found
}

/// Each key with its comment, in the order of the structures.
fn keys() -> Vec<(String, String)> {
    let structures = structures();
    let mut keys = Vec::new();
    for (section, kind, about) in &structures["Config"] {
        match structures.get(kind) {
            Some(fields) => {
                keys.extend(fields.iter().map(|(key, _, about)| (format!("{section}.{key}"), about.clone())))
            }
            None => keys.push((section.clone(), about.clone())),
        }
    }
    keys
}

/// The flag and the variable that lie over a key: named by the section and the key, the key of `node` alone, or `no_` it.
fn overrides(key: &str) -> String {
    let command = Overrides::augment_args(Command::new("bibd"));
    let (section, name) = key.split_once('.').unwrap_or(("", key));
    let named = [format!("{section}_{name}"), if section == "node" { name.to_owned() } else { String::new() }];
    let negated = format!("no_{name}");
    let found =
        command.get_arguments().find(|arg| named.iter().any(|id| arg.get_id() == id) || arg.get_id() == &negated);
    found.map_or_else(String::new, |arg| {
        let environment = arg.get_env().map(|name| format!(", `{}`", name.to_string_lossy())).unwrap_or_default();
        format!("`--{}`{environment}", arg.get_long().unwrap())
    })
}

fn default(key: &str, defaults: &toml::Table) -> String {
    if let Some((_, said)) = LOCAL.iter().find(|(local, _)| *local == key) {
        return (*said).to_owned();
    }
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    let value = defaults.get(section).map(|value| value.get(name).unwrap_or(value));
    match value {
        Some(toml::Value::String(text)) => format!("`{text}`"),
        Some(toml::Value::Table(_)) | None => String::new(),
        Some(toml::Value::Array(list)) if list.is_empty() => "`[]`".to_owned(),
        Some(other) => format!("`{other}`"),
    }
}

fn page() -> String {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let mut text = HEAD.to_owned();
    for (key, about) in keys() {
        assert!(!about.is_empty() && !about.contains('|'), "{key} needs a comment that fits a table");
        writeln!(text, "| `{key}` | {} | {} | {about} |", default(&key, &defaults), overrides(&key)).unwrap();
    }
    text + TAIL
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}

fn compare(file: &str, made: &str) {
    let path = package_dir().join("..").join(file);
    if std::env::var_os("BIB_BLESS").is_some() {
        std::fs::write(&path, made).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap_or_default() == made, "{file} is stale: make reference");
}

#[test]
fn the_reference_of_the_configuration_is_what_the_program_takes() {
    compare("docs/reference/configuration.md", &page());
}

#[test]
fn every_default_has_a_key() {
    let keys: Vec<String> = keys().into_iter().map(|(key, _)| key).collect();
    for (section, value) in toml::Table::try_from(Config::default()).unwrap() {
        for name in value.as_table().into_iter().flat_map(toml::Table::keys) {
            assert!(keys.contains(&format!("{section}.{name}")), "{section}.{name} was not read from the source");
        }
    }
    assert!(keys.len() > 15, "{keys:?}");
}

#[test]
fn every_flag_lies_over_a_key() {
    let text = page();
    for arg in Overrides::augment_args(Command::new("bibd")).get_arguments() {
        let flag = format!("`--{}`", arg.get_long().unwrap());
        assert!(arg.get_id() == "config" || text.contains(&flag), "{flag} belongs to no key");
    }
}
