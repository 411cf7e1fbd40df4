//! `bib admin audit verify`.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{count, milliseconds};
use crate::session::Env;
use bib_proto::v1::VerifyAuditRequest;
use serde_json::json;
use std::time::Duration;

fn index(ok: bool, problem: &str) -> String {
    match (ok, problem) {
        (true, _) => "agrees with the log".to_owned(),
        (false, "") => "differs from the log; it is rebuilt at the next start".to_owned(),
        (false, problem) => format!("could not be compared: {problem}"),
    }
}

/// Checks the whole log; exit code 12 if anything is wrong.
pub(super) async fn run(env: &Env) -> CliResult {
    let client = env.client().await?;
    let mut admin = client.admin();
    let verdict = env.long(async { Ok(admin.verify_audit(VerifyAuditRequest {}).await?) }).await?.into_inner();
    let record = json!({"ok": verdict.ok, "records": verdict.records, "head": verdict.head, "problem": verdict.problem,
        "firstBadSeq": (!verdict.ok).then_some(verdict.first_bad_seq), "elapsedUs": verdict.elapsed_us,
        "witnesses": verdict.witnesses, "indexOk": verdict.index_ok, "indexProblem": verdict.index_problem});
    env.out.object(&record, || {
        let state = if verdict.ok { "✓ audit log is whole" } else { "✗ audit log is DAMAGED" };
        format!(
            "{state}: {} records in {}\nhead:      {}\nindex:     {}\nwitnesses: {}\n",
            count(verdict.records),
            milliseconds(Duration::from_micros(verdict.elapsed_us)),
            verdict.head,
            index(verdict.index_ok, &verdict.index_problem),
            verdict.witnesses,
        )
    })?;
    if verdict.ok {
        return Ok(());
    }
    let message = format!("the audit log is damaged at record {}: {}", verdict.first_bad_seq, verdict.problem);
    Err(CliError::new(Exit::Integrity, message).hint("keep the files as they are and compare with a backup"))
}
