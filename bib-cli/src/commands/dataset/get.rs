//! `bib dataset get NAME`.

use crate::error::CliResult;
use crate::output::{align, bytes, counted, rfc3339};
use crate::session::Env;
use crate::views;
use crate::watch::Rounds;
use bib_proto::v1::GetDatasetResponse;
use serde_json::{Value, json};

/// How many entries a person is shown; programs get all.
const SHOWN_ENTRIES: usize = 50;

/// Which version.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib dataset get flights/2013\n  bib dataset get flights/2013 --version 1 -o json")]
pub(crate) struct Args {
    /// TOPIC/DATASET
    name: String,
    /// Number, id or unique beginning of the id [default: the latest]
    #[arg(long, default_value = "")]
    version: String,
    /// Show again every two seconds; JSON lines unless on a terminal
    #[arg(short, long)]
    watch: bool,
}

/// Prints one version with its entries.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let client = env.client().await?;
    let mut rounds = Rounds::new(env, args.watch, None);
    while rounds.next().await {
        let answer = env.call(client.whole_version(&args.name, &args.version)).await?;
        rounds.object(&record(&answer), || people(&answer))?;
    }
    Ok(())
}

fn record(answer: &GetDatasetResponse) -> Value {
    json!({
        "name": answer.dataset.as_ref().map(|dataset| dataset.name.clone()),
        "dataset": answer.dataset.as_ref().map(views::dataset),
        "version": answer.version.as_ref().map(views::version),
        "entries": answer.entries.iter().map(views::entry).collect::<Vec<_>>(),
        "signature": answer.signature,
    })
}

fn people(answer: &GetDatasetResponse) -> String {
    let version = answer.version.clone().unwrap_or_default();
    let mut text = format!(
        "{}  v{}  {}\n{}\npublished  {} by {}\nsigned     {}\nholds      {}, {}, {}, {}\nstate      {}\n\n",
        version.dataset,
        version.number,
        crate::error::printable(&version.message),
        version.id,
        rfc3339(version.created_ms),
        version.publisher,
        answer.signature.chars().take(32).collect::<String>(),
        counted(version.files, "file"),
        bytes(version.bytes),
        counted(version.chunks, "chunk"),
        counted(version.rows, "row"),
        match (version.complete, version.remote) {
            (true, _) => "complete",
            (false, true) => "on other nodes, read from there",
            (false, false) => "arriving",
        },
    );
    let rows: Vec<Vec<String>> = answer
        .entries
        .iter()
        .take(SHOWN_ENTRIES)
        .map(|entry| {
            let table = entry.schema.as_ref().map_or_else(String::new, |schema| {
                let rows = if schema.rows >= 0 {
                    format!("{}, ", counted(schema.rows.unsigned_abs(), "row"))
                } else {
                    String::new()
                };
                format!("{rows}{}", counted(schema.columns.len() as u64, "column"))
            });
            let path = if entry.kind == "symlink" {
                format!("{} -> {}", entry.path, entry.target)
            } else {
                entry.path.clone()
            };
            let path = crate::error::printable(&path);
            vec![path, bytes(entry.size), views::short_hash(&entry.content_hash), entry.media_type.clone(), table]
        })
        .collect();
    text.push_str(&align(&rows));
    if answer.entries.len() > SHOWN_ENTRIES {
        text.push_str(&format!("and {} more; all of them: -o json\n", answer.entries.len() - SHOWN_ENTRIES));
    }
    text
}
