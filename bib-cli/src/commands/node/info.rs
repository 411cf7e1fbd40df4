//! `bib node info [ID]`.

use crate::error::CliResult;
use crate::output::rfc3339;
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::v1::{GetNodeRequest, GetSelfRequest, Node};

/// Which node.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib node info            # this node\n  bib node info lab-b\n  bib node info 9xKq3fZ1"
)]
pub(crate) struct Args {
    /// Name, peer id, or a unique beginning or end of it [default: this node]
    id: Option<String>,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints one node.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let (mut nodes, own) = (client.nodes(), args.id.is_none());
    let mut rounds = Rounds::new(env, args.watch, None);
    while rounds.next().await {
        let node = match args.id.clone() {
            Some(id) => env.call(nodes.get_node(GetNodeRequest { id })).await?.into_inner().node,
            None => env.call(nodes.get_self(GetSelfRequest {})).await?.into_inner().node,
        };
        let node = node.unwrap_or_default();
        rounds.object(&views::node(&node), || people(&node, own))?;
    }
    Ok(())
}

fn people(node: &Node, own: bool) -> String {
    let yes = |on: bool| if on { "yes" } else { "no" };
    let mut text = format!(
        "name:      {}\nid:        {}\nmode:      {}\nstorage:   {}\n",
        node.name,
        node.id,
        node.mode,
        if node.storage == "sqlite" { "sqlite (untrusted-storage)" } else { &node.storage },
    );
    if !own {
        text.push_str(&format!("paired:    {}\nconnected: {}\n", yes(node.paired), yes(node.connected)));
        text.push_str(&format!("base:      {}\nseen:      {}\n", yes(node.base), rfc3339(node.last_seen_ms)));
        let read = if node.catalog_read_ms == 0 { "not read yet".to_owned() } else { rfc3339(node.catalog_read_ms) };
        text.push_str(&format!("catalogue: {read}\n"));
    }
    if !node.blamed.is_empty() {
        text.push_str(&format!("blamed:    {}\n", node.blamed));
    }
    for (number, address) in node.addresses.iter().enumerate() {
        text.push_str(&format!("{:<11}{address}\n", if number == 0 { "addresses:" } else { "" }));
    }
    text
}
