//! Whether the audit log says of each publication what became of it.

use crate::ledger::Acknowledged;
use crate::nodes::Inquiry;
use bib_proto::v1::{AuditRecord, ListAuditRequest};
use std::collections::{HashMap, HashSet};

/// How a publication is called in the log.
const PUBLISH: &str = "dataset.publish";
/// Records that are asked for at once.
const PAGE: u32 = 1_000;

impl Inquiry<'_> {
    /// What the log does not say: of each publication that it has an intent of, how it ended; of each that was acknowledged,
    /// that it was done.
    pub(crate) fn untold(&self, acknowledged: &[Acknowledged]) -> anyhow::Result<Vec<String>> {
        let (mut records, mut before_seq) = (Vec::new(), 0);
        loop {
            let request =
                ListAuditRequest { page_size: PAGE, before_seq, action: PUBLISH.to_owned(), actor: String::new() };
            let page = self.asked(async |client| client.admin().list_audit(request.clone()).await)?;
            // the question whether something was published begins with the same word
            records.extend(page.records.into_iter().filter(|record| record.action == PUBLISH));
            before_seq = page.next_before;
            if before_seq == 0 {
                return Ok(untold(&records, acknowledged));
            }
        }
    }
}

fn untold(records: &[AuditRecord], acknowledged: &[Acknowledged]) -> Vec<String> {
    let mut open: HashMap<(&str, &str), i64> = HashMap::new();
    let mut done = HashSet::new();
    for record in records {
        let step = if record.outcome == "intent" { 1 } else { -1 };
        *open.entry((&record.operation_id, &record.object)).or_default() += step;
        if record.outcome == "ok" {
            done.insert(record.object.as_str());
        }
    }
    let left = open.into_iter().filter(|(_, open)| *open != 0);
    let left = left.map(|((op, object), open)| format!("{open} intents of {op} more than outcomes: {object}"));
    let named = acknowledged.iter().map(|version| format!("{}@{}", version.dataset, version.version));
    let silent = named.filter(|object| !done.contains(object.as_str()));
    left.chain(silent.map(|object| format!("{object} was acknowledged, and the log does not say so"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(operation: &str, object: &str, outcome: &str) -> AuditRecord {
        let [operation_id, object, outcome] = [operation, object, outcome].map(str::to_owned);
        AuditRecord { operation_id, object, outcome, ..Default::default() }
    }

    #[test]
    fn an_intent_without_an_outcome_and_an_answer_without_a_record_are_seen() {
        let version = Acknowledged { dataset: "t/d".to_owned(), version: "sha256:1".to_owned(), content: 1, length: 1 };
        let told = [record("a", "t/d@sha256:1", "ok"), record("a", "t/d@sha256:1", "intent")];
        assert_eq!(untold(&told, std::slice::from_ref(&version)), [""; 0]);
        assert_eq!(untold(&told[1..], &[]).len(), 1, "no outcome");
        assert_eq!(untold(&told[..1], &[]).len(), 1, "no intent");
        assert_eq!(untold(&[], &[version]).len(), 1, "no word of it");
        let failed = [record("b", "t/d@sha256:2", "failed"), record("b", "t/d@sha256:2", "intent")];
        assert_eq!(untold(&failed, &[]), [""; 0]);
    }
}
