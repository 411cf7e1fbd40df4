//! `bib exit-codes`.

use crate::error::CliResult;
use crate::exit::TABLE;
use crate::listing::Listing;
use crate::output::{column, field};
use crate::session::Env;
use serde_json::{Value, json};

/// Which codes.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help())]
pub(crate) struct Args {
    #[command(flatten)]
    listing: Listing,
}

const EXAMPLES: &str = "Examples:\n  bib exit-codes\n  bib exit-codes --filter 'code == 12'";

/// The table, for `bib help exit-codes`.
fn long_help() -> String {
    let rows: String = TABLE.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", exit.code())).collect();
    format!("{EXAMPLES}\n\nNew codes may be added: take any other than 0 for a failure.\n{rows}")
}

/// Prints every code with its meaning.
pub(super) fn run(env: &Env, args: &Args) -> CliResult {
    let items: Vec<Value> =
        TABLE.iter().map(|(exit, meaning)| json!({"code": exit.code(), "meaning": meaning})).collect();
    let columns = [column("CODE", |v| field(v, "code")), column("MEANING", |v| field(v, "meaning"))];
    let items = args.listing.pick(items, &json!({"code": 0, "meaning": ""}))?;
    env.out.limited(args.listing.most()).list(&items, &columns, "No such code")
}
