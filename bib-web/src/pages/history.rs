//! The versions of a dataset as a list for programs. Its page shows them, too.

use crate::error::PageError;
use crate::format::part;
use crate::list::{Form, answer};
use crate::session::Visitor;
use actix_web::{HttpResponse, web};
use bib_proto::v1::{ListVersionsRequest, Version};
use serde::{Deserialize, Serialize};

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/datasets/{topic}/{name}/versions.json", web::get().to(list))
        .route("/datasets/{topic}/{name}/versions.csv", web::get().to(list));
}

/// A version for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    number: u64,
    id: String,
    message: String,
    publisher: String,
    files: u64,
    rows: u64,
    bytes: u64,
    chunks: u64,
    complete: bool,
    created_ms: i64,
}

#[derive(Deserialize)]
struct Asked {
    /// Where to go on, as the part before said; empty for the newest ones.
    #[serde(default)]
    page: String,
}

/// The newest first, as many as one answer takes.
async fn list(
    visitor: Visitor,
    names: web::Path<(String, String)>,
    asked: web::Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let page_token = asked.into_inner().page;
    let request = ListVersionsRequest { name: format!("{}/{}", names.0, names.1), page_size: 0, page_token };
    let found = visitor.client.datasets().list_versions(request).await?.into_inner();
    let path = visitor.request().path();
    let next = Some(part(&found.next_page_token)).filter(|token| !token.is_empty());
    let next = next.map(|token| format!("{path}?page={token}"));
    let records: Vec<Record> = found.versions.into_iter().map(record).collect();
    Ok(answer(Form::of(path), &records, next.as_deref()))
}

fn record(version: Version) -> Record {
    Record {
        number: version.number,
        id: version.id,
        message: version.message,
        publisher: version.publisher,
        files: version.files,
        rows: version.rows,
        bytes: version.bytes,
        chunks: version.chunks,
        complete: version.complete,
        created_ms: version.created_ms,
    }
}
