//! `bib context list` and `bib context show`.

use super::unknown;
use crate::error::CliResult;
use crate::listing::Listing;
use crate::output::{column, field};
use crate::session::{Env, LOCAL_CONTEXT};
use serde_json::{Value, json};

/// Which contexts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib context list\n  bib context list -o json")]
pub(crate) struct Args {
    #[command(flatten)]
    listing: Listing,
}

/// Which context.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib context show\n  bib context show lab-a -o json")]
pub(crate) struct Show {
    /// Name of the context [default: the one that commands use]
    name: Option<String>,
}

/// Prints the contexts; the node on this machine is always among them.
pub(super) fn run(env: &Env, args: &Args) -> CliResult {
    let items = args.listing.pick(all(env), &json!({"name": "", "node": "", "sshKey": "", "current": false}))?;
    let columns = [
        column("NAME", |v| field(v, "name")),
        column("USED", |v| if v["current"] == true { "●".into() } else { String::new() })
            .exact("current", |v| field(v, "current")),
        column("NODE", |v| field(v, "node")),
        column("KEY", |v| field(v, "sshKey")),
    ];
    env.out.limited(args.listing.most()).list(&items, &columns, "No context fits")
}

/// Prints one context.
pub(super) fn show(env: &Env, args: &Show) -> CliResult {
    let wanted = |item: &Value| match &args.name {
        Some(name) => item["name"] == name.as_str(),
        None => item["current"] == true,
    };
    let Some(item) = all(env).into_iter().find(wanted) else {
        return match &args.name {
            Some(name) => Err(unknown(name)),
            // a node that was named by its address
            None => {
                let node = env.target()?.address.to_string();
                env.out.object(&json!({"name": null, "node": node, "current": true}), || format!("node: {node}"))
            }
        };
    };
    env.out.object(&item, || {
        let used = if item["current"] == true { "yes" } else { "no" };
        format!(
            "name: {}\nnode: {}\nkey:  {}\nused: {used}",
            field(&item, "name"),
            field(&item, "node"),
            field(&item, "sshKey")
        )
    })
}

fn all(env: &Env) -> Vec<Value> {
    let used = env.target().map(|target| target.address.to_string()).unwrap_or_default();
    let current = env.layers.find(|settings| settings.node.clone().or_else(|| settings.context.clone()));
    let named =
        env.global.node.clone().or_else(|| env.global.context.clone()).or_else(|| current.map(|(name, _)| name));
    let is_used = |name: &str, node: &str| match named.as_deref() {
        Some(chosen) => chosen == name || (chosen == node && used == node),
        None => name == LOCAL_CONTEXT,
    };
    let local = format!("unix://{}", crate::settings::socket_of(&env.data_dir()).display());
    let mut items =
        vec![json!({"name": LOCAL_CONTEXT, "node": local, "sshKey": null, "current": is_used(LOCAL_CONTEXT, &local)})];
    let mut seen = std::collections::BTreeSet::new();
    for (name, context) in env.layers.iter().flat_map(|layer| &layer.settings.contexts) {
        if seen.insert(name) {
            let current = is_used(name, &context.node);
            items.push(json!({"name": name, "node": context.node, "sshKey": context.ssh_key, "current": current}));
        }
    }
    items
}
