//! `bib invite`.

use crate::error::CliResult;
use crate::global::parse_duration;
use crate::output::rfc3339;
use crate::session::Env;
use bib_proto::v1::{CreateInviteRequest, GetSelfRequest};
use serde_json::json;
use std::time::Duration;

/// How long the ticket is good.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib invite\n  bib invite --ttl 1h -q | ssh lab-b xargs bib join")]
pub(crate) struct Args {
    /// How long the ticket is good
    #[arg(long, value_parser = parse_duration, default_value = "24h", value_name = "DUR")]
    ttl: Duration,
    /// Say how long a ticket would be good, and make none
    #[arg(long)]
    dry_run: bool,
}

/// Prints a ticket. It is a secret until it is used, and good once.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    if args.dry_run {
        let node = env.call(client.nodes().get_self(GetSelfRequest {})).await?.into_inner().node.unwrap_or_default();
        let expires = rfc3339(crate::now_ms() + i64::try_from(args.ttl.as_millis()).unwrap_or(i64::MAX));
        let record = json!({"name": node.name, "id": node.id, "expiresAt": expires, "dryRun": true});
        return env.out.object(&record, || {
            format!("would make a ticket to pair with {} ({}), good once, until {expires}", node.name, node.id)
        });
    }
    let request = CreateInviteRequest { ttl_seconds: args.ttl.as_secs(), request_id: env.request_id()? };
    let made = env.call(client.nodes().create_invite(request)).await?.into_inner();
    let expires = rfc3339(made.expires_ms);
    env.out.remark(&format!("a ticket to pair one other node with this one, good once, until {expires}"));
    env.out.remark("keep it secret, and on the other machine: bib join TICKET");
    env.out.object(&json!({"ticket": made.ticket, "expiresAt": expires}), || made.ticket.clone())
}
