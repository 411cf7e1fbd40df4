//! The audit log, for administrators: its records, latest first, and its verification.

use super::back;
use crate::cel;
use crate::error::{Notice, PageError, status_of};
use crate::format::{When, count, short};
use crate::list::{Form, answer};
use crate::session::Visitor;
use crate::shell::{Shell, page, page_with};
use actix_web::{HttpResponse, web};
use askama::Template;
use bib_proto::client::ClientError;
use bib_proto::v1::{AuditRecord, ListAuditRequest, ListAuditResponse, VerifyAuditRequest, VerifyAuditResponse};
use serde::{Deserialize, Serialize};

/// Records of one page.
const PAGE: u32 = 100;
/// What the node says when one search has looked at as much as it may, and nothing fitted.
const SEARCH_ENDED: &str = "AUDIT_SEARCH_LIMIT";

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/audit", web::get().to(list))
        .route("/audit.json", web::get().to(list))
        .route("/audit.csv", web::get().to(list))
        .route("/audit/verify", web::post().to(verify))
        .route("/audit/verify", web::get().to(back));
}

/// A record for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    seq: u64,
    time_ns: i64,
    actor: String,
    role: String,
    action: String,
    object: String,
    outcome: String,
    reason: String,
    rows: i64,
    duration_us: u64,
    component: String,
    operation_id: String,
    entry_hash: String,
    prev_hash: String,
}

struct Row {
    seq: u64,
    time: When,
    actor: String,
    role: String,
    action: String,
    object: String,
    outcome: String,
    /// Why it was refused or failed, if it was.
    reason: String,
    tone: &'static str,
    hash: String,
    hash_short: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    records: Vec<Row>,
    asked: Asked,
    next: String,
    json: String,
    csv: String,
    verdict: Option<(bool, String)>,
}

#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    before: u64,
    #[serde(default)]
    action: String,
    #[serde(default)]
    actor: String,
}

impl Asked {
    fn address(&self, path: &str, before: u64) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("action", &self.action), ("actor", &self.actor)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if before > 0 {
            query.append_pair("before", &before.to_string());
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The same on the command line.
    fn same_as(&self) -> String {
        let before = if self.before > 0 { self.before.to_string() } else { String::new() };
        let flags = [("action", self.action.trim()), ("actor", self.actor.trim()), ("before", before.as_str())];
        let flags: String = flags.map(|(name, value)| cel::flag(name, value)).concat();
        format!("bib admin audit list{flags}")
    }
}

async fn list(visitor: Visitor, query: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let asked = query.into_inner();
    let form = Form::of(visitor.request().path());
    let found = read(&visitor, &asked).await?;
    if form == Form::Page {
        return Ok(page(&audit_page(&visitor, asked, found)));
    }
    let next = older(&asked, visitor.request().path(), &found);
    let records: Vec<Record> = found.records.into_iter().map(record).collect();
    Ok(answer(form, &records, next.as_deref()))
}

async fn read(visitor: &Visitor, asked: &Asked) -> Result<ListAuditResponse, PageError> {
    let request = ListAuditRequest {
        page_size: PAGE,
        before_seq: asked.before,
        action: asked.action.trim().to_owned(),
        actor: asked.actor.trim().to_owned(),
    };
    match visitor.client.admin().list_audit(request).await.map_err(ClientError::from) {
        Ok(found) => Ok(found.into_inner()),
        // that none was found so far is no failure: the search goes on where the node says
        Err(error) => match searched_to(&error) {
            Some(next_before) => Ok(ListAuditResponse { records: Vec::new(), next_before }),
            None => Err(error.into()),
        },
    }
}

/// How far back the node has looked without finding a record that fits, if that is what it says.
fn searched_to(error: &ClientError) -> Option<u64> {
    let ClientError::Status { details, .. } = error else { return None };
    let next = details.metadata.get("next").filter(|_| details.reason == SEARCH_ENDED)?;
    next.parse().ok()
}

/// The address of the older records, if there are any.
fn older(asked: &Asked, path: &str, found: &ListAuditResponse) -> Option<String> {
    (found.next_before > 0).then(|| asked.address(path, found.next_before))
}

fn audit_page(visitor: &Visitor, asked: Asked, found: ListAuditResponse) -> AuditPage {
    let mut shell = visitor.shell("Audit", "audit").same_as(asked.same_as());
    shell.here = asked.address("/audit", asked.before);
    AuditPage {
        shell,
        next: older(&asked, "/audit", &found).unwrap_or_default(),
        json: asked.address("/audit.json", asked.before),
        csv: asked.address("/audit.csv", asked.before),
        records: found.records.into_iter().map(row).collect(),
        asked,
        verdict: None,
    }
}

async fn verify(visitor: Visitor) -> Result<HttpResponse, PageError> {
    let outcome = visitor.client.admin().verify_audit(VerifyAuditRequest {}).await.map_err(ClientError::from);
    let asked = Asked::default();
    let found = read(&visitor, &asked).await?;
    let mut shown = audit_page(&visitor, asked, found);
    match outcome {
        Ok(verdict) => {
            shown.verdict = Some(said(&verdict.into_inner()));
            Ok(page(&shown))
        }
        Err(error) => {
            shown.shell = shown.shell.with_alert(Some(Notice::from(&error)));
            Ok(page_with(status_of(&error), &shown))
        }
    }
}

fn said(verdict: &VerifyAuditResponse) -> (bool, String) {
    if !verdict.ok {
        let text = format!("The log is damaged at record {}: {}", count(verdict.first_bad_seq), verdict.problem);
        return (false, text);
    }
    let index = match (verdict.index_ok, verdict.index_problem.as_str()) {
        (true, _) => "the index in the database agrees".to_owned(),
        (false, "") => "the index in the database does not agree yet".to_owned(),
        (false, problem) => format!("the index in the database could not be compared ({problem})"),
    };
    (true, format!("All {} records hang together up to {}; {index}.", count(verdict.records), short(&verdict.head)))
}

fn record(mut record: AuditRecord) -> Record {
    Record {
        reason: record.metadata.remove("reason").unwrap_or_default(),
        seq: record.seq,
        time_ns: record.time_ns,
        actor: record.actor,
        role: record.role,
        action: record.action,
        object: record.object,
        outcome: record.outcome,
        rows: record.rows,
        duration_us: record.duration_us,
        component: record.component,
        operation_id: record.operation_id,
        entry_hash: record.entry_hash,
        prev_hash: record.prev_hash,
    }
}

fn row(mut record: AuditRecord) -> Row {
    Row {
        reason: record.metadata.remove("reason").unwrap_or_default(),
        seq: record.seq,
        time: When::new(record.time_ns / 1_000_000),
        actor: record.actor,
        role: record.role,
        action: record.action,
        object: record.object,
        tone: match record.outcome.as_str() {
            "ok" => "ok",
            "refused" => "warn",
            "failed" => "bad",
            _ => "idle",
        },
        outcome: record.outcome,
        hash_short: record.entry_hash.chars().take(12).collect(),
        hash: record.entry_hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_asks_for_the_same_records() {
        let same_as = |before, action: &str, actor: &str| {
            Asked { before, action: action.to_owned(), actor: actor.to_owned() }.same_as()
        };
        assert_eq!(same_as(0, "", " "), "bib admin audit list");
        assert_eq!(
            same_as(7, "dataset.", " user:a b "),
            "bib admin audit list --action dataset. --actor 'user:a b' --before 7"
        );
    }
}
