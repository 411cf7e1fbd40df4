//! `bib join TICKET`.

use crate::error::CliResult;
use crate::session::Env;
use crate::views;
use bib_proto::v1::JoinRequest;

/// Which ticket.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib join bib1...\n  bib join --base bib1...   # a full node copies everything from it"
)]
pub(crate) struct Args {
    /// What `bib invite` printed on the other machine
    ticket: String,
    /// Take the catalogue from that node: a full node copies all of it
    #[arg(long)]
    base: bool,
}

/// Pairs the two nodes.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let request = JoinRequest { ticket: args.ticket, base: args.base, request_id: env.request_id()? };
    let node = env.call(client.nodes().join(request)).await?.into_inner().node.unwrap_or_default();
    env.out.object(&views::node(&node), || format!("paired with {} ({}), {}", node.name, node.id, node.mode));
    env.out.remark("see its topics: bib topic list\nget one:        bib topic subscribe NAME");
    Ok(())
}
