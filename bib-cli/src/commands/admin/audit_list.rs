//! `bib admin audit list`.

use crate::error::{CliError, CliResult};
use crate::listing::Paging;
use crate::output::{column, field, wide};
use crate::session::Env;
use crate::views;
use bib_proto::v1::{AuditRecord, ListAuditRequest};

/// Which records.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib admin audit list --limit 20\n  bib admin audit list --action dataset. --filter 'outcome != \"ok\"' -o jsonl"
)]
pub(crate) struct Args {
    #[command(flatten)]
    paging: Paging,
    /// Only records before this position
    #[arg(long, value_name = "SEQ", conflicts_with = "page_token")]
    before: Option<u64>,
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
    let fetch = async |page_size: u32, token: String| {
        let before_seq = match (token.as_str(), args.before) {
            ("", before) => before.unwrap_or(0),
            (text, _) => text.parse().map_err(|_| {
                CliError::usage("--page-token: this is not a token of this list")
                    .hint("begin again without it; in this list it is the position of a record")
            })?,
        };
        let (action, actor) = (args.action.clone(), args.actor.clone());
        let request = ListAuditRequest { page_size, before_seq, action, actor };
        let records = env.call(client.admin().list_audit(request)).await?.into_inner().records;
        // position 0 would mean "from the end" again
        let last = records.last().filter(|record| record.seq > 0 && records.len() >= page_size as usize);
        let next = last.map_or_else(String::new, |record| record.seq.to_string());
        Ok((records.iter().map(views::audit).collect(), next))
    };
    let template = views::audit(&AuditRecord::default());
    let found = args.paging.collect(env.out.sorts(), &template, |_| true, fetch).await?;
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
    let out = env.out.limited(args.paging.most());
    out.list(&found.items, &columns, "No audit record fits")?;
    found.tell(&out);
    Ok(())
}
