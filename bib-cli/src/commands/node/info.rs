//! `bib node info [ID]`.

use crate::error::CliResult;
use crate::session::Env;
use crate::views;
use bib_proto::v1::{GetNodeRequest, GetSelfRequest, Node};

/// Which node.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib node info            # this node\n  bib node info lab-b\n  bib node info 9xKq3fZ1"
)]
pub(crate) struct Args {
    /// Name, peer id or a unique end of it [default: this node]
    id: Option<String>,
}

/// Prints one node.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let mut nodes = client.nodes();
    let node = match args.id {
        Some(id) => env.call(nodes.get_node(GetNodeRequest { id })).await?.into_inner().node,
        None => env.call(nodes.get_self(GetSelfRequest {})).await?.into_inner().node,
    };
    let node = node.unwrap_or_default();
    env.out.object(&views::node(&node), || people(&node));
    Ok(())
}

fn people(node: &Node) -> String {
    let yes = |on: bool| if on { "yes" } else { "no" };
    let mut text = format!(
        "name:      {}\nid:        {}\nmode:      {}\nstorage:   {}\npaired:    {}\nconnected: {}\n",
        node.name,
        node.id,
        node.mode,
        if node.storage == "sqlite" { "sqlite (untrusted-storage)" } else { &node.storage },
        yes(node.paired),
        yes(node.connected),
    );
    if !node.blamed.is_empty() {
        text.push_str(&format!("blamed:    {}\n", node.blamed));
    }
    for (number, address) in node.addresses.iter().enumerate() {
        text.push_str(&format!("{:<11}{address}\n", if number == 0 { "addresses:" } else { "" }));
    }
    text
}
