//! `bib setup`: asks little, writes the daemon's configuration and this program's own, says what is next.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::Env;
use crate::settings::{Settings, default_data_dir, write_private};
use russh::keys::ssh_key::{LineEnding, PrivateKey, PublicKey};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to set up; what is not said is asked on a terminal, else taken from the default.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib setup\n  bib setup --no-input --name lab-a --mode full\n  \
    bib setup --no-input --data-dir /srv/bib --p2p-listen /ip4/0.0.0.0/tcp/4101 --grpc-listen 0.0.0.0:4100")]
pub(crate) struct Args {
    /// Name of this node for people [default: the host name]
    #[arg(long)]
    name: Option<String>,
    /// full: keeps everything its base nodes have; selective: keeps the topics it subscribed to
    #[arg(long, value_parser = ["full", "selective"])]
    mode: Option<String>,
    /// Folder of everything that the node keeps
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// auto, process (a PostgreSQL of its own) or sqlite (limited)
    #[arg(long, value_parser = ["auto", "process", "sqlite"])]
    storage: Option<String>,
    /// Address of the API; may be given more than once
    #[arg(long, value_name = "ADDR")]
    grpc_listen: Vec<std::net::SocketAddr>,
    /// Multiaddress of the node network; may be given more than once
    #[arg(long, value_name = "MULTIADDR")]
    p2p_listen: Vec<String>,
    /// Address of pages and health probes
    #[arg(long, value_name = "ADDR")]
    web_listen: Option<std::net::SocketAddr>,
    /// Do not look for nodes by multicast DNS
    #[arg(long)]
    no_mdns: bool,
    /// Overwrite a setup that says something else
    #[arg(long)]
    force: bool,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

struct Answers {
    name: String,
    mode: String,
    data_dir: PathBuf,
    key: Key,
    mdns: bool,
}

/// The key that is this user.
struct Key {
    /// The private key's file; `None` if the agent holds it.
    file: Option<PathBuf>,
    public: String,
    made: bool,
}

/// Sets this machine up.
pub(super) fn run(env: &Env, args: Args) -> CliResult {
    let answers = answer(env, &args)?;
    let text = daemon_config(&args, &answers)?;
    let path = env.home.daemon_config();
    let settings = Settings {
        node: env.settings.node.clone().filter(|node| !node.starts_with("unix:")),
        ssh_key: answers.key.file.clone(),
        data_dir: Some(answers.data_dir.clone()),
    };
    let before = std::fs::read_to_string(&path).ok();
    let same = before.as_deref() == Some(text.as_str());
    if let Some(before) = before.filter(|_| !same && !args.force && !args.dry_run) {
        let lines = differences(&before, &text);
        return Err(CliError::new(
            Exit::Conflict,
            format!("this machine is set up already, differently, in {}:\n{lines}", path.display()),
        )
        .hint("keep it as it is, edit that file, or overwrite it: --force"));
    }
    if !args.dry_run {
        write_private(&path, &text)?;
        env.home.save(&settings)?;
    }
    let record = json!({
        "name": answers.name, "mode": answers.mode, "dataDir": answers.data_dir, "config": path, "key": answers.key.public,
        "keyFile": answers.key.file, "keyMade": answers.key.made, "changed": !same, "dryRun": args.dry_run,
    });
    env.out.object(&record, || if args.dry_run { text.clone() } else { done(env, &answers, &path) });
    Ok(())
}

fn done(env: &Env, answers: &Answers, path: &Path) -> String {
    let key = match (&answers.key.file, answers.key.made) {
        (Some(file), true) => format!("✓ made the key {} for you; it is who you are, keep it", file.display()),
        (Some(file), false) => format!("✓ you are the key {}", file.display()),
        (None, _) => "✓ you are the first key of the SSH agent".to_owned(),
    };
    let usual = env.global.config_dir.is_none();
    let start = if usual { "bibd".to_owned() } else { format!("bibd --config {}", path.display()) };
    let bib = if usual { "bib".to_owned() } else { format!("bib --config-dir {}", env.home.path().display()) };
    format!(
        "✓ {} is a {} node, its data in {}\n{key}\n✓ wrote {}\n\nnext\n  {start}\n  {bib} status\n  {bib} topic create weather\n",
        answers.name,
        answers.mode,
        answers.data_dir.display(),
        path.display(),
    )
}

fn answer(env: &Env, args: &Args) -> CliResult<Answers> {
    let asks = env.global.may_ask() && !env.global.yes;
    let host = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "bib".to_owned());
    let stopped = |_| CliError::new(Exit::Cancelled, "nothing was written");
    let name = match &args.name {
        Some(name) => name.clone(),
        None if asks => inquire::Text::new("Name of this node?").with_default(&host).prompt().map_err(stopped)?,
        None => host,
    };
    let mode = match &args.mode {
        Some(mode) => mode.clone(),
        None if asks => {
            let choices =
                vec!["selective: keeps the topics it subscribes to", "full: keeps everything its base nodes have"];
            let chosen = inquire::Select::new("What is it for?", choices).prompt().map_err(stopped)?;
            chosen.split(':').next().unwrap_or("selective").to_owned()
        }
        None => "selective".to_owned(),
    };
    let usual = env.settings.data_dir.clone().unwrap_or_else(default_data_dir);
    let data_dir = match &args.data_dir {
        Some(folder) => folder.clone(),
        None if asks => {
            let shown = usual.display().to_string();
            PathBuf::from(
                inquire::Text::new("Where does it keep its data?").with_default(&shown).prompt().map_err(stopped)?,
            )
        }
        None => usual,
    };
    let data_dir = std::path::absolute(&data_dir)
        .map_err(|error| CliError::usage(format!("{} is not a folder name: {error}", data_dir.display())))?;
    let mdns = match args.no_mdns {
        true => false,
        false if asks => inquire::Confirm::new("Find nodes on this network by themselves (multicast DNS)?")
            .with_default(true)
            .prompt()
            .map_err(stopped)?,
        false => true,
    };
    Ok(Answers { name, mode, data_dir, key: find_key(env, args.dry_run)?, mdns })
}

/// The key to be: the flag, the one of before, the user's own, or a new one.
fn find_key(env: &Env, dry_run: bool) -> CliResult<Key> {
    let own = env.home.path().join("id_ed25519");
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let usual = home.map(|home| home.join(".ssh/id_ed25519")).filter(|path| path.exists() && is_usable(path));
    let file = env.global.ssh_key.clone().or_else(|| env.settings.ssh_key.clone());
    let file = file.or_else(|| own.exists().then(|| own.clone())).or(usual);
    if let Some(file) = file {
        let file = if file.extension().is_some_and(|ext| ext == "pub") { file.with_extension("") } else { file };
        let file = std::path::absolute(&file).unwrap_or(file);
        return Ok(Key { public: public_of(&file)?, file: Some(file), made: false });
    }
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519)
        .map_err(|error| CliError::new(Exit::Failed, format!("cannot make a key: {error}")))?;
    let text = key.to_openssh(LineEnding::LF).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
    let public = openssh(key.public_key())?;
    if !dry_run {
        write_private(&own, &text)?;
        write_private(&own.with_extension("pub"), &format!("{public}\n"))?;
    }
    Ok(Key { file: Some(own), public, made: true })
}

/// A key with a passphrase would be asked for at each login, where nobody may be there to answer.
fn is_usable(path: &Path) -> bool {
    let key = std::fs::read_to_string(path).ok().and_then(|text| PrivateKey::from_openssh(text).ok());
    key.is_some_and(|key| !key.is_encrypted())
}

fn public_of(file: &Path) -> CliResult<String> {
    let refuse = |why: String| {
        CliError::usage(format!("cannot use the key {}: {why}", file.display())).hint("make one: ssh-keygen -t ed25519")
    };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let key = PrivateKey::from_openssh(&text).map_err(|error| refuse(error.to_string()))?;
    openssh(key.public_key())
}

fn openssh(key: &PublicKey) -> CliResult<String> {
    key.to_openssh().map_err(|error| CliError::new(Exit::Failed, error.to_string()))
}

fn daemon_config(args: &Args, answers: &Answers) -> CliResult<String> {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "admin".to_owned());
    let mut config = toml::Table::new();
    let mut section = |name: &str, fields: Vec<(&str, toml::Value)>| {
        let table: toml::Table = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        if !table.is_empty() {
            config.insert(name.to_owned(), toml::Value::Table(table));
        }
    };
    let data_dir = answers.data_dir.to_str().ok_or_else(|| CliError::usage("the data folder's name is not UTF-8"))?;
    section(
        "node",
        vec![
            ("name", answers.name.clone().into()),
            ("mode", answers.mode.clone().into()),
            ("data_dir", data_dir.into()),
        ],
    );
    section("database", args.storage.iter().map(|runtime| ("runtime", runtime.clone().into())).collect());
    let list = |items: Vec<String>| toml::Value::Array(items.into_iter().map(toml::Value::String).collect());
    if !args.grpc_listen.is_empty() {
        section("grpc", vec![("listen", list(args.grpc_listen.iter().map(ToString::to_string).collect()))]);
    }
    let mut p2p = vec![("mdns", toml::Value::Boolean(answers.mdns))];
    if !args.p2p_listen.is_empty() {
        p2p.push(("listen", list(args.p2p_listen.clone())));
    }
    section("p2p", p2p);
    section("web", args.web_listen.iter().map(|address| ("listen", address.to_string().into())).collect());
    let person: toml::Table = [("name", user), ("role", "admin".to_owned()), ("key", answers.key.public.clone())]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), toml::Value::String(value)))
        .collect();
    config.insert("users".to_owned(), toml::Value::Array(vec![toml::Value::Table(person)]));
    let body = toml::to_string(&config).map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
    Ok(format!("# made by bib setup; every key is explained in docs/reference/configuration.md\n\n{body}"))
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
}
