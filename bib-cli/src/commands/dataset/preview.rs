//! `bib dataset preview NAME`.

use super::query;
use crate::error::CliResult;
use crate::session::Env;

/// Which table.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib dataset preview flights/2013\n  bib dataset preview flights/2013 -n 5 --file flights.csv"
)]
pub(crate) struct Args {
    /// TOPIC/DATASET, or TOPIC/DATASET@VERSION
    name: String,
    /// The table in it, where there is more than one
    #[arg(long)]
    file: Option<String>,
    /// How many rows
    #[arg(short = 'n', long, default_value_t = 20)]
    rows: u64,
}

/// Prints the first rows.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let quoted = |text: &str| serde_json::Value::String(text.to_owned()).to_string();
    let file = args.file.map(|file| format!(", {}", quoted(&file))).unwrap_or_default();
    let expression = format!("dataset({}{file}).limit({})", quoted(&args.name), args.rows);
    query::run(env, query::Args::of(expression)).await
}
