//! Lists for programs: the same rows as a page, as JSON or CSV under the page's name with an ending.

use actix_web::HttpResponse;
use serde::Serialize;

/// In which form a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The page.
    Page,
    /// `.json`
    Json,
    /// `.csv`
    Csv,
}

impl Form {
    /// By the ending of the path.
    pub(crate) fn of(path: &str) -> Self {
        match path.rsplit_once('.') {
            Some((_, "json")) => Self::Json,
            Some((_, "csv")) => Self::Csv,
            _ => Self::Page,
        }
    }
}

/// The rows in a form for programs. `next` is where the next page of them is, if there is one.
pub(crate) fn answer<T: Serialize>(form: Form, rows: &[T], next: Option<&str>) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if let Some(next) = next {
        answer.insert_header(("link", format!("<{next}>; rel=\"next\"")));
    }
    if form == Form::Json {
        return answer.json(rows);
    }
    let mut out = csv::Writer::from_writer(Vec::new());
    for row in rows {
        if let Err(error) = out.serialize(row) {
            tracing::error!(%error, "a list could not be written as CSV");
            return HttpResponse::InternalServerError().finish();
        }
    }
    answer.content_type("text/csv; charset=utf-8; header=present").body(out.into_inner().unwrap_or_default())
}
