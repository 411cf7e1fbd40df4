//! `bib admin audit list`.

use crate::error::{CliError, CliResult};
use crate::listing::Paging;
use crate::output::{column, field, wide};
use crate::session::Env;
use crate::views;
use bib_proto::v1::{AuditRecord, ListAuditRequest, ListAuditResponse};

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
        let found = match env.call(client.admin().list_audit(request)).await {
            Ok(answer) => answer.into_inner(),
            // that none was found so far is no failure: the search goes on where the node says
            Err(error) => match searched_to(&error) {
                Some(next_before) => ListAuditResponse { records: Vec::new(), next_before },
                None => return Err(error),
            },
        };
        // a node of an earlier version does not say it, and ends with a page that is not full
        let last = found.records.last().map_or(0, |record| record.seq);
        let next = if found.records.len() >= page_size as usize { last } else { 0 }.max(found.next_before);
        // position 0 would mean "from the end" again, and before 1 there is nothing
        let next = if next > 1 { next.to_string() } else { String::new() };
        Ok((found.records.iter().map(views::audit).collect(), next))
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
        wide("REASON", |v| field(v, "reason")),
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

/// How far back the node has looked without finding a record that fits, if that is what it says.
fn searched_to(error: &CliError) -> Option<u64> {
    let next = error.metadata.get("next").filter(|_| error.reason == "AUDIT_SEARCH_LIMIT")?;
    next.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_search_that_ended_early_goes_on() {
        let ended = |reason: &str, next: &str| {
            let mut error = CliError::new(Exit::Exhausted, "none of the records matches").because(reason);
            error.metadata.insert("next".to_owned(), next.to_owned());
            searched_to(&error)
        };
        assert_eq!(ended("AUDIT_SEARCH_LIMIT", "41"), Some(41));
        assert_eq!((ended("AUDIT_SEARCH_LIMIT", "far"), ended("NODE_BUSY", "41")), (None, None));
    }
}
