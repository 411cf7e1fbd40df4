//! `bib context use`, `rename` and `remove`: change this user's own file.

use super::unknown;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::session::{Env, LOCAL_CONTEXT};
use serde_json::json;

/// Which context.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib context use lab-a\n  bib context use local   # the node on this machine")]
pub(crate) struct Use {
    /// Name of the context
    name: String,
    /// Say what would be used, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which context, and its new name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib context rename lab-a storage\n  bib context rename lab-a storage --dry-run")]
pub(crate) struct Rename {
    /// Its name now
    name: String,
    /// Its name from now on
    new: String,
    /// Check that it can be renamed, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Which context.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib context remove lab-a\n  bib context remove lab-a --dry-run")]
pub(crate) struct Remove {
    /// Name of the context
    name: String,
    /// Say what would be forgotten, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Uses a context from now on.
pub(super) fn choose(env: &Env, args: &Use) -> CliResult {
    let node = match env.layers.context(&args.name) {
        _ if args.name == LOCAL_CONTEXT => "the node on this machine".to_owned(),
        Some(context) => context.node.clone(),
        None => return Err(unknown(&args.name)),
    };
    let mut settings = env.settings.clone();
    settings.node = None;
    settings.context = Some(args.name.clone());
    let later = env.later(&settings);
    let elsewhere = later.goes_elsewhere(&later.in_context(&args.name)?);
    if !args.dry_run {
        env.home.save(&settings)?;
    }
    let record = json!({"name": args.name, "node": node, "dryRun": args.dry_run});
    env.out.object(&record, || match (&elsewhere, args.dry_run) {
        (None, false) => format!("commands go to {} ({node}) from now on", args.name),
        (None, true) => format!("commands would go to {} ({node}) from now on", args.name),
        (Some(_), false) => format!("{} ({node}) is remembered", args.name),
        (Some(_), true) => format!("{} ({node}) would be remembered", args.name),
    })?;
    if let Some(elsewhere) = elsewhere {
        crate::output::note(&format!("! {elsewhere}; to send one there: bib --context {} status", args.name));
    }
    Ok(())
}

/// Renames a context.
pub(super) fn rename(env: &Env, args: &Rename) -> CliResult {
    let mut settings = env.settings.clone();
    let Some(context) = settings.contexts.remove(&args.name) else { return Err(unknown(&args.name)) };
    let node = context.node.clone();
    if args.new == LOCAL_CONTEXT || args.new.trim().is_empty() {
        return Err(CliError::usage(format!("{:?} cannot be the name of a context", args.new)).because("BAD_NAME"));
    }
    if settings.contexts.insert(args.new.clone(), context).is_some() {
        return Err(CliError::new(Exit::Conflict, format!("there is a context {} already", args.new))
            .because("CONTEXT_EXISTS")
            .hint(format!("bib context remove {}", args.new)));
    }
    if settings.context.as_deref() == Some(args.name.as_str()) {
        settings.context = Some(args.new.clone());
    }
    if !args.dry_run {
        env.home.save(&settings)?;
    }
    let record = json!({"name": args.new, "before": args.name, "node": node, "dryRun": args.dry_run});
    let verb = if args.dry_run { "would be" } else { "is" };
    env.out.object(&record, || format!("{} {verb} {} ({node})", args.name, args.new))
}

/// Forgets a context; the node's fingerprint stays trusted.
pub(super) fn remove(env: &Env, args: &Remove) -> CliResult {
    let mut settings = env.settings.clone();
    let Some(context) = settings.contexts.remove(&args.name) else { return Err(unknown(&args.name)) };
    let was_used = settings.context.as_deref() == Some(args.name.as_str());
    if was_used {
        settings.context = None;
    }
    let later = env.later(&settings);
    if !args.dry_run {
        env.home.save(&settings)?;
    }
    let record = json!({"name": args.name, "node": context.node, "used": was_used, "dryRun": args.dry_run});
    let verb = if args.dry_run { "would forget" } else { "forgot" };
    env.out.object(&record, || format!("{verb} {} ({})", args.name, context.node))?;
    if was_used {
        let elsewhere = later.goes_elsewhere(&later.local());
        env.out.remark(elsewhere.as_deref().unwrap_or("commands go to the node on this machine from now on"));
    }
    env.out.remark(&format!("undo: bib connect {} --name {}", context.node, args.name));
    Ok(())
}
