//! `bib exit-codes`.

use crate::error::CliResult;
use crate::exit::TABLE;
use crate::output::{column, field};
use crate::session::Env;
use serde_json::{Value, json};

/// Prints every code with its meaning.
pub(super) fn run(env: &Env) -> CliResult {
    let items: Vec<Value> =
        TABLE.iter().map(|(exit, meaning)| json!({"code": exit.code(), "meaning": meaning})).collect();
    let columns = [column("CODE", |v| field(v, "code")), column("MEANING", |v| field(v, "meaning"))];
    env.out.list(&items, &columns, "no codes")
}
