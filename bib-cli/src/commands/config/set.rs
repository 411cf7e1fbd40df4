//! `bib config set` and `bib config unset`: change this user's own file.

use super::{check_key, value};
use crate::error::{CliError, CliResult};
use crate::global::{ColorChoice, Format, ProgressMode, parse_duration};
use crate::session::Env;
use crate::settings::Settings;
use bib_proto::client::Address;
use clap::ValueEnum;
use serde_json::json;
use std::path::PathBuf;

/// What to remember.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib config set output json\n  bib config set node lab-a:4000 --dry-run")]
pub(crate) struct Args {
    /// Name of the setting, as bib config list prints it
    key: String,
    /// What it is to be
    value: String,
    /// Check the value, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What to forget.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib config unset output\n  bib config unset node --dry-run")]
pub(crate) struct Unset {
    /// Name of the setting, as bib config list prints it
    key: String,
    /// Say what it is now, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Remembers a setting.
pub(super) fn run(env: &Env, args: &Args) -> CliResult {
    check_key(&args.key)?;
    let before = env.home.settings()?;
    let mut settings = before.clone();
    put(env, &mut settings, &args.key, Some(&args.value))?;
    keep(env, &before, &settings, &args.key, args.dry_run)
}

/// Forgets a setting.
pub(super) fn unset(env: &Env, args: &Unset) -> CliResult {
    check_key(&args.key)?;
    let before = env.home.settings()?;
    let mut settings = before.clone();
    put(env, &mut settings, &args.key, None)?;
    keep(env, &before, &settings, &args.key, args.dry_run)
}

/// `before` was read anew: a file that is damaged is not written over.
fn keep(env: &Env, before: &Settings, settings: &Settings, key: &str, dry_run: bool) -> CliResult {
    let (before, after) = (value(before, key), value(settings, key));
    let changed = before != after;
    if changed && !dry_run {
        env.home.save(settings)?;
    }
    let record = json!({"name": key, "value": after, "before": before, "path": env.home.file().to_string_lossy(), "changed": changed,
        "dryRun": dry_run});
    env.out.object(&record, || {
        let is = if dry_run { "would be" } else { "is" };
        let now = after.map_or_else(|| format!("{is} not set"), |after| format!("{is} {after}"));
        let was = before.filter(|_| changed).map_or_else(String::new, |before| format!("; it was {before}"));
        format!("{key} {now}{was}")
    })
}

/// Sets a value, or takes it away; what cannot be read later is refused now.
fn put(env: &Env, settings: &mut Settings, key: &str, new: Option<&str>) -> CliResult {
    let refused = |why: String| CliError::usage(format!("{key}: {why}")).because("BAD_SETTING");
    let text = new.map(str::to_owned);
    let path = new.map(|text| std::path::absolute(text).unwrap_or_else(|_| PathBuf::from(text)));
    let known = |text: Option<&str>, check: fn(&str) -> Result<(), String>| text.map_or(Ok(()), check).map_err(refused);
    match key {
        "node" => {
            let context = new.is_some_and(|name| env.layers.context(name).is_some());
            known(new.filter(|_| !context), |text| {
                text.parse::<Address>().map(drop).map_err(|error| error.to_string())
            })?;
            settings.node = text;
        }
        "context" => {
            if let Some(name) =
                new.filter(|name| *name != crate::session::LOCAL_CONTEXT && env.layers.context(name).is_none())
            {
                return Err(refused(format!("there is no context {name:?}")).hint("bib context list"));
            }
            settings.context = text;
        }
        "ssh_key" => settings.ssh_key = path,
        "data_dir" => settings.data_dir = path,
        "output" => {
            known(new, |text| Format::from_str(text, false).map(drop))?;
            settings.output = text;
        }
        "color" => {
            known(new, |text| ColorChoice::from_str(text, false).map(drop))?;
            settings.color = text;
        }
        "progress" => {
            known(new, |text| ProgressMode::from_str(text, false).map(drop))?;
            settings.progress = text;
        }
        _ => {
            known(new, |text| parse_duration(text).map(drop))?;
            settings.timeout = text;
        }
    }
    Ok(())
}
