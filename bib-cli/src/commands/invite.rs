//! `bib invite`.

use crate::error::CliResult;
use crate::global::parse_duration;
use crate::output::rfc3339;
use crate::session::Env;
use bib_proto::v1::CreateInviteRequest;
use serde_json::json;
use std::time::Duration;

/// How long the ticket is good.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib invite\n  bib invite --ttl 1h -q | ssh lab-b xargs bib join")]
pub(crate) struct Args {
    /// How long the ticket is good
    #[arg(long, value_parser = parse_duration, default_value = "24h", value_name = "DUR")]
    ttl: Duration,
}

/// Prints a ticket. It is a secret until it is used, and good once.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let request = CreateInviteRequest { ttl_seconds: args.ttl.as_secs(), request_id: env.request_id()? };
    let made = env.call(client.nodes().create_invite(request)).await?.into_inner();
    let expires = rfc3339(made.expires_ms);
    env.out.remark(&format!(
        "paste this on the other machine: bib join TICKET; it is good once, until {expires}: keep it secret"
    ));
    env.out.object(&json!({"ticket": made.ticket, "expiresAt": expires}), || made.ticket.clone());
    Ok(())
}
