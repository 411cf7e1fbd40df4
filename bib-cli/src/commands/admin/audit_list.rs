//! `bib admin audit list`.

use crate::error::CliResult;
use crate::output::{column, field, wide};
use crate::session::Env;
use crate::views;
use bib_proto::v1::ListAuditRequest;
use serde_json::Value;

/// Records asked for at once.
const PAGE: u32 = 500;

/// Which records.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib admin audit list --limit 20\n  bib admin audit list --action dataset. -o jsonl"
)]
pub(crate) struct Args {
    /// At most this many; 0 for all
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// Only records before this position
    #[arg(long, default_value_t = 0, value_name = "SEQ")]
    before: u64,
    /// Only actions that begin with this
    #[arg(long, default_value = "")]
    action: String,
    /// Only of this actor, for example user:ada
    #[arg(long, default_value = "")]
    actor: String,
}

/// Prints the records.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let mut admin = client.admin();
    let wanted = if args.limit == 0 { usize::MAX } else { args.limit as usize };
    let (mut items, mut before_seq) = (Vec::<Value>::new(), args.before);
    while items.len() < wanted {
        let page_size = u32::try_from(wanted - items.len()).unwrap_or(u32::MAX).min(PAGE);
        let (action, actor) = (args.action.clone(), args.actor.clone());
        let request = ListAuditRequest { page_size, before_seq, action, actor };
        let records = env.call(admin.list_audit(request)).await?.into_inner().records;
        items.extend(records.iter().map(views::audit));
        // position 0 would mean "from the end" again
        match records.last().map(|record| record.seq) {
            Some(last) if last > 0 => before_seq = last,
            _ => break,
        }
    }
    let columns = [
        column("SEQ", |v| field(v, "seq")),
        column("TIME", |v| field(v, "time")),
        column("ACTOR", |v| field(v, "actor")),
        wide("ROLE", |v| field(v, "role")),
        column("ACTION", |v| field(v, "action")),
        column("OBJECT", |v| field(v, "object")),
        column("OUTCOME", |v| field(v, "outcome")),
        wide("ROWS", |v| field(v, "rows")),
        wide("US", |v| field(v, "durationUs")).exact("duration_us", |v| field(v, "durationUs")),
        wide("COMPONENT", |v| field(v, "component")),
        wide("OPERATION", |v| field(v, "operationId")),
        wide("HASH", |v| field(v, "entryHash")),
    ];
    env.out.list(&items, &columns, "No audit records match")
}
