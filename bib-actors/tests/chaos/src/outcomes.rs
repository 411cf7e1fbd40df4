//! Whether the audit log says of each publication what became of it.

use crate::ledger::Acknowledged;
use crate::nodes::Inquiry;
use crate::watch::{StopWatch, pause};
use bib_proto::v1::{AuditRecord, ListAuditRequest, ListDatasetsRequest, ListVersionsRequest};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How a publication is called in the log.
const PUBLISH: &str = "dataset.publish";
/// Records that are asked for at once.
const PAGE: u32 = 1_000;
/// How long the node may take to find out what became of what was broken off.
const PATIENCE: Duration = Duration::from_secs(90);

impl Inquiry<'_> {
    /// What the log does not say, or not rightly: of each publication that it has an intent of, how it ended; of each that was
    /// acknowledged or is in the catalogue, and of no other, that it was done. What became of a commit that was broken off is
    /// found out a little later, so it is asked until all is well or the time is over.
    pub(crate) fn untold(&self, acknowledged: &[Acknowledged]) -> anyhow::Result<Vec<String>> {
        let watch = StopWatch::start();
        loop {
            let wrong = untold(&self.publications()?, acknowledged, &self.catalogue()?);
            if wrong.is_empty() || watch.elapsed() > PATIENCE {
                return Ok(wrong);
            }
            pause(Duration::from_secs(1));
        }
    }

    /// The records of publications.
    fn publications(&self) -> anyhow::Result<Vec<AuditRecord>> {
        let (mut records, mut before_seq) = (Vec::new(), 0);
        loop {
            let request =
                ListAuditRequest { page_size: PAGE, before_seq, action: PUBLISH.to_owned(), actor: String::new() };
            let page = self.asked(async |client| client.admin().list_audit(request.clone()).await)?;
            // the question whether something was published begins with the same word
            records.extend(page.records.into_iter().filter(|record| record.action == PUBLISH));
            before_seq = page.next_before;
            if before_seq == 0 {
                return Ok(records);
            }
        }
    }

    /// All versions of all datasets, as the log names them.
    fn catalogue(&self) -> anyhow::Result<HashSet<String>> {
        let (mut all, mut page_token) = (HashSet::new(), String::new());
        loop {
            let request = ListDatasetsRequest { page_size: PAGE, page_token, ..Default::default() };
            let page = self.asked(async |client| client.datasets().list_datasets(request.clone()).await)?;
            for dataset in page.datasets {
                self.versions(&dataset.name, &mut all)?;
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    fn versions(&self, name: &str, all: &mut HashSet<String>) -> anyhow::Result<()> {
        let mut page_token = String::new();
        loop {
            let request = ListVersionsRequest { name: name.to_owned(), page_size: 0, page_token };
            let page = self.asked(async |client| client.datasets().list_versions(request.clone()).await)?;
            all.extend(page.versions.iter().map(|version| format!("{name}@{}", version.id)));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(());
            }
        }
    }
}

fn untold(records: &[AuditRecord], acknowledged: &[Acknowledged], there: &HashSet<String>) -> Vec<String> {
    let mut open: HashMap<(&str, &str), i64> = HashMap::new();
    let mut done = HashSet::new();
    for record in records {
        let step = if record.outcome == "intent" { 1 } else { -1 };
        *open.entry((&record.operation_id, &record.object)).or_default() += step;
        // a retry that found what another try had done did nothing itself
        if record.outcome == "ok" && !record.metadata.contains_key("done_before") {
            done.insert(record.object.as_str());
        }
    }
    let left = open.into_iter().filter(|(_, open)| *open != 0);
    let left = left.map(|((op, object), open)| format!("{open} intents of {op} more than outcomes: {object}"));
    let named = acknowledged.iter().map(|version| format!("{}@{}", version.dataset, version.version));
    let silent = named.filter(|object| !done.contains(object.as_str()));
    let silent = silent.map(|object| format!("{object} was acknowledged, and the log does not say so"));
    let denied = there.iter().filter(|object| !done.contains(object.as_str()));
    let denied =
        denied.map(|object| format!("{object} is in the catalogue, and the log does not say that it was done"));
    let made_up = done.iter().filter(|object| !there.contains(**object));
    let made_up = made_up.map(|object| format!("the log says that {object} was done, and it is not in the catalogue"));
    left.chain(silent).chain(denied).chain(made_up).collect()
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
        let there = HashSet::from(["t/d@sha256:1".to_owned()]);
        let told = [record("a", "t/d@sha256:1", "ok"), record("a", "t/d@sha256:1", "intent")];
        assert_eq!(untold(&told, std::slice::from_ref(&version), &there), [""; 0]);
        assert_eq!(untold(&told[1..], &[], &HashSet::new()).len(), 1, "no outcome");
        assert_eq!(untold(&told[..1], &[], &there).len(), 1, "no intent");
        assert_eq!(untold(&[], &[version], &HashSet::new()).len(), 1, "no word of it");
        let failed = [record("b", "t/d@sha256:2", "failed"), record("b", "t/d@sha256:2", "intent")];
        assert_eq!(untold(&failed, &[], &HashSet::new()), [""; 0]);
        assert_eq!(untold(&failed, &[], &HashSet::from(["t/d@sha256:2".to_owned()])).len(), 1, "it is there");
        assert_eq!(untold(&told, &[], &HashSet::new()).len(), 1, "it is not there");
        let mut again = told.to_vec();
        again[0].metadata.insert("done_before".to_owned(), "t/d@sha256:3".to_owned());
        assert_eq!(untold(&again, &[], &HashSet::new()), [""; 0]);
    }
}
