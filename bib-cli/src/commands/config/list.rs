//! `bib config list`, `get` and `path`.

use super::{KEYS, check_key, value};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::listing::Listing;
use crate::output::{column, field, wide};
use crate::session::Env;
use crate::settings::socket_of;
use serde_json::{Value, json};

/// Which settings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib config list\n  bib config list --show-origin --json")]
pub(crate) struct Args {
    /// Say which flag, variable or file each comes from
    #[arg(long)]
    show_origin: bool,
    #[command(flatten)]
    listing: Listing,
}

/// Which setting.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib config get node\n  bib config get output -o json")]
pub(crate) struct One {
    /// Name of the setting, as bib config list prints it
    key: String,
}

/// Nothing to say.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib config path\n  bib config path -o json --jq .trust")]
pub(crate) struct Paths {}

/// Prints the settings as they apply.
pub(super) fn run(env: &Env, args: &Args) -> CliResult {
    let items: Vec<Value> = KEYS.iter().map(|(key, meaning)| record(env, key, meaning)).collect();
    let items = args.listing.pick(items, &record(env, "node", ""))?;
    let origin = |v: &Value| field(v, "origin");
    let mut columns = vec![column("KEY", |v| field(v, "name")), column("VALUE", |v| field(v, "value"))];
    columns.push(if args.show_origin { column("ORIGIN", origin) } else { wide("ORIGIN", origin) });
    columns.push(wide("MEANING", |v| field(v, "meaning")));
    env.out.limited(args.listing.most()).list(&items, &columns, "No such setting")
}

/// Prints one setting.
pub(super) fn get(env: &Env, args: &One) -> CliResult {
    check_key(&args.key)?;
    let record = record(env, &args.key, "");
    let Some(text) = record["value"].as_str() else {
        return Err(CliError::new(Exit::NotFound, format!("{} is not set", args.key))
            .because("NOT_SET")
            .hint(format!("bib config set {} VALUE", args.key)));
    };
    env.out.object(&record, || text.to_owned())
}

/// One setting: its value, and where that comes from.
fn record(env: &Env, key: &str, meaning: &str) -> Value {
    let flags = &env.global;
    let named = flags.origins.get(key).map(|origin| {
        let value = match key {
            "node" => flags.node.clone(),
            "context" => flags.context.clone(),
            "ssh_key" => flags.ssh_key.as_ref().map(|path| path.display().to_string()),
            // as it was read, not as it was written
            "timeout" => flags.timeout.map(|limit| format!("{}ms", limit.as_millis())),
            "output" => flags.output.map(name_of),
            "color" => flags.color.map(name_of),
            _ => flags.progress.map(name_of),
        };
        (value, (*origin).to_owned())
    });
    let variable = std::env::var("BIB_DATA_DIR").ok().filter(|value| key == "data_dir" && !value.is_empty());
    let named = named.or_else(|| variable.map(|value| (Some(value), "BIB_DATA_DIR".to_owned())));
    let kept = || {
        env.layers.find(|settings| value(settings, key)).map(|(value, path)| (Some(value), path.display().to_string()))
    };
    let usual = || (env_default(env, key), "default".to_owned());
    let (value, origin) = named.or_else(kept).unwrap_or_else(usual);
    json!({"name": key, "value": value, "origin": origin, "meaning": meaning})
}

fn name_of<T: clap::ValueEnum>(value: T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn env_default(env: &Env, key: &str) -> Option<String> {
    match key {
        "data_dir" => Some(env.data_dir().display().to_string()),
        "output" => Some("table on a terminal, else plain".to_owned()),
        "color" | "progress" => Some("auto".to_owned()),
        "timeout" => Some("30s".to_owned()),
        _ => None,
    }
}

/// Prints where this program and the node on this machine keep their files.
pub(in crate::commands) fn paths(env: &Env) -> CliResult {
    let data_dir = env.data_dir();
    let home = &env.home;
    let paths = [
        ("settings", home.file().to_owned()),
        ("trust", home.path().join("trusted_nodes")),
        ("sessions", home.sessions()),
        ("cache", home.cache().to_owned()),
        ("bibd", home.daemon_config()),
        ("data", data_dir.clone()),
        ("socket", socket_of(&data_dir)),
    ];
    let record: Value = paths
        .iter()
        .map(|(name, path)| ((*name).to_owned(), json!(path.to_string_lossy())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let others: Vec<String> = env
        .layers
        .iter()
        .filter(|layer| layer.path != home.file())
        .map(|layer| layer.path.display().to_string())
        .collect();
    env.out.object(&record, || {
        let mut text: String = paths.iter().map(|(name, path)| format!("{name:<9} {}\n", path.display())).collect();
        others.iter().for_each(|path| text.push_str(&format!("{:<9} {path}\n", "also read")));
        text
    })
}
