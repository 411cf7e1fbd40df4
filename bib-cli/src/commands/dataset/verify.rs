//! `bib dataset verify NAME`.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted};
use crate::progress::Progress;
use crate::session::Env;
use bib_proto::v1::verify_response::Part;
use bib_proto::v1::{VerifyReport, VerifyRequest};
use serde_json::json;

/// Which version.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib dataset verify flights/2013\n  bib dataset verify flights/2013 --version 1\n  bib dataset verify flights/2013 --repair\n  bib dataset verify flights/2013 --content"
)]
pub(crate) struct Args {
    /// TOPIC/DATASET
    name: String,
    /// Number, id or unique beginning of the id [default: the latest]
    #[arg(long, default_value = "")]
    version: String,
    /// Fetch what is damaged from connected nodes, and verify once more
    #[arg(long)]
    repair: bool,
    /// Hash whole files besides their chunks, also when the node has seen before that the files follow from the chunks
    #[arg(long)]
    content: bool,
}

/// Verifies; exit code 12 if anything is hurt.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let request =
        VerifyRequest { dataset: args.name.clone(), version: args.version, repair: args.repair, content: args.content };
    let report = env.long(watch(env, client, request)).await?;
    let damage: Vec<_> = report
        .damage
        .iter()
        .map(|d| json!({"path": d.path, "chunk": d.chunk, "kind": d.kind, "detail": d.detail}))
        .collect();
    let record = json!({"name": args.name, "version": report.version, "ok": report.ok, "signatureOk": report.signature_ok,
        "chunks": report.chunks, "bytes": report.bytes, "damage": damage,
        "moreDamage": report.more_damage, "repaired": report.repaired, "contentKnown": report.content_known});
    env.out.object(&record, || people(&args.name, &report))?;
    if report.ok {
        return Ok(());
    }
    let places = report.damage.len() as u64 + report.more_damage + u64::from(!report.signature_ok);
    let message = format!("{} is hurt in {}", args.name, counted(places, "place"));
    Err(CliError::new(Exit::Integrity, message).because("DATA_DAMAGED").hint(format!(
        "connect a node that has this version, then fetch what is hurt: bib dataset verify {} --repair",
        args.name
    )))
}

async fn watch(env: &Env, client: bib_proto::client::Client, request: VerifyRequest) -> CliResult<VerifyReport> {
    let mut stream = client.datasets().verify(request).await?.into_inner();
    let mut progress = Progress::new(&env.global, "verify", 0);
    while let Some(answer) = stream.message().await? {
        match answer.part {
            Some(Part::Progress(seen)) => {
                progress.set_total(seen.bytes_total);
                progress.set(seen.bytes_done, "");
            }
            Some(Part::Report(report)) => {
                progress.finish();
                return Ok(report);
            }
            None => {}
        }
    }
    Err(CliError::new(Exit::Failed, "the node ended the verification without a report; look at its log"))
}

fn people(name: &str, report: &VerifyReport) -> String {
    let mut text = if report.ok {
        format!("✓ {name} is whole: {}, {}, signature good\n", counted(report.chunks, "chunk"), bytes(report.bytes))
    } else {
        format!("✗ {name} is HURT\n")
    };
    if report.ok && report.content_known {
        text.push_str("  files follow from their chunks, as was seen before; --content hashes them besides\n");
    }
    if report.repaired > 0 {
        text.push_str(&format!("  {} fetched again from other nodes\n", counted(report.repaired, "damaged chunk")));
    }
    if !report.signature_ok {
        text.push_str("  ✗ the signature does not fit the manifest\n");
    }
    for damage in &report.damage {
        text.push_str(&format!("  ✗ {}: {} chunk {} ({})\n", damage.path, damage.kind, damage.chunk, damage.detail));
    }
    if report.more_damage > 0 {
        text.push_str(&format!("  ✗ and {} more\n", counted(report.more_damage, "place")));
    }
    text.push_str(&format!("{}\n", report.version));
    text
}
