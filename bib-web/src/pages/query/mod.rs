//! A query: an editor, its rows in pages, how it runs, and what to try on the datasets that are here.

mod examples;
mod view;

use crate::error::{Notice, PageError, status_of};
use crate::export;
use crate::format::part;
use crate::grid::{Links, Mistake, PAGE_ROWS, Paging, Rows};
use crate::session::Visitor;
use crate::shell::{page, page_with};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use bib_proto::client::ClientError;
use bib_proto::v1::{CheckViewRequest, ExplainRequest, ReadPageRequest, View};
use examples::examples;
use serde::Deserialize;
use view::QueryPage;

/// Characters of an expression that the page sends. It is a part of the address, where most signs take three bytes, and
/// the head of a request has its bound; line breaks take six and letters that are not ASCII up to twelve, and may not fit.
const EXPRESSION_MAX: usize = 8 << 10;

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/query", web::get().to(show))
        .route("/query/check", web::get().to(check))
        .route("/query.json", web::get().to(json))
        .route("/query.csv", web::get().to(csv))
        .route("/query.jsonl", web::get().to(json_lines))
        .route("/query.parquet", web::get().to(parquet));
}

/// What stands behind `?`: all of the page's state.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// The expression.
    q: String,
    /// `explain` to see how it would run.
    show: String,
    /// A column of the result.
    sort: String,
    /// `desc` for the greatest first.
    dir: String,
    /// Counted from 1.
    page: u64,
    /// A condition over the result's rows.
    f: String,
    /// `spreadsheet` for a CSV that runs nothing.
    r#for: String,
}

impl Asked {
    fn descending(&self) -> bool {
        !self.sort.is_empty() && self.dir == "desc"
    }

    fn view(&self) -> View {
        View {
            expression: self.q.clone(),
            filter: self.f.clone(),
            sort: self.sort.clone(),
            descending: self.descending(),
            columns: Vec::new(),
        }
    }

    /// The address with something else in it.
    fn with(&self, ending: &str, change: impl FnOnce(&mut Self)) -> String {
        let mut asked = self.clone();
        change(&mut asked);
        let mut out = format!("/query{ending}?q={}", part(&asked.q));
        for (name, value) in
            [("show", &asked.show), ("f", &asked.f), ("sort", &asked.sort), ("dir", &asked.dir), ("for", &asked.r#for)]
        {
            if !value.is_empty() {
                out.push_str(&format!("&{name}={}", part(value)));
            }
        }
        if asked.page > 1 {
            out.push_str(&format!("&page={}", asked.page));
        }
        out
    }
}

impl Links for Asked {
    fn sorted(&self, column: &str, descending: bool) -> String {
        self.with("", |asked| {
            column.clone_into(&mut asked.sort);
            asked.dir = if descending { "desc".to_owned() } else { String::new() };
            asked.page = 0;
        })
    }

    fn narrowed(&self, condition: &str) -> String {
        self.with("", |asked| (asked.f, asked.page) = (crate::cel::both(&asked.f, condition), 0))
    }
}

async fn show(visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let asked = asked.into_inner();
    if asked.q.trim().is_empty() {
        let (limits, examples) = futures::join!(limits(&visitor), examples(&visitor));
        return Ok(page(&QueryPage::empty(&visitor, &asked, limits, examples)));
    }
    let failed = |error: ClientError| {
        let mistake = Mistake::of(&error, &asked.q, &asked.f);
        let (status, alert) = match &mistake {
            Some(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
            None => (status_of(&error), Some(Notice::from(&error))),
        };
        page_with(status, &QueryPage::refused(&visitor, &asked, mistake, alert))
    };
    if asked.show == "explain" {
        let request = ExplainRequest { expression: asked.q.clone() };
        return Ok(match visitor.client.queries().explain(request).await.map_err(ClientError::from) {
            Ok(plan) => page(&QueryPage::explained(&visitor, &asked, plan.into_inner())),
            Err(error) => failed(error),
        });
    }
    let offset = Paging::offset(asked.page);
    let request = ReadPageRequest { view: Some(asked.view()), offset, rows: PAGE_ROWS, ..Default::default() };
    match Rows::read(&visitor.client, request).await {
        Ok(rows) => Ok(page(&QueryPage::of(&visitor, &asked, &rows)?)),
        Err(error) => Ok(failed(error)),
    }
}

/// The node's limits in words; nothing when it does not say.
async fn limits(visitor: &Visitor) -> String {
    let request = CheckViewRequest { view: Some(View::default()) };
    let answer = visitor.client.queries().check_view(request).await;
    answer
        .ok()
        .and_then(|answer| answer.into_inner().limits)
        .map(|limits| view::limits_in_words(&limits))
        .unwrap_or_default()
}

/// The checker's word on the expression, as a part of the page.
async fn check(visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let request = CheckViewRequest { view: Some(View { expression: asked.q.clone(), ..View::default() }) };
    let mistake = match visitor.client.queries().check_view(request).await {
        Ok(found) => found.into_inner().mistake.map(|mistake| Mistake::checked(mistake, &asked.q, "")),
        // a dataset whose name is still being typed is no reason for an error
        Err(status) if status.code() == tonic::Code::NotFound => None,
        Err(status) => return Err(status.into()),
    };
    Ok(page(&view::CheckPart { mistake }))
}

async fn json(visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let offset = Paging::offset(asked.page);
    let request = ReadPageRequest { view: Some(asked.view()), offset, rows: PAGE_ROWS, ..Default::default() };
    let rows = Rows::read(&visitor.client, request).await?;
    let mut answer = HttpResponse::Ok();
    if let Some(next) = Paging::new(asked.page, rows.header.matches).after() {
        let next = asked.with(".json", |asked| asked.page = next);
        answer.insert_header(("link", format!("<{next}>; rel=\"next\"")));
    }
    Ok(answer.content_type("application/json").body(rows.json()?))
}

async fn csv(visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let format = if asked.r#for == "spreadsheet" { "spreadsheet-csv" } else { "csv" };
    export::file(visitor.bulk_client()?, asked.view(), format, "query").await
}

async fn json_lines(visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    export::file(visitor.bulk_client()?, asked.view(), "jsonl", "query").await
}

async fn parquet(visitor: Visitor, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    export::file(visitor.bulk_client()?, asked.view(), "parquet", "query").await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest address that browsers put into `Referer`.
    const REFERRER_MAX: usize = 4 << 10;
    /// What browsers send besides, with the cookies of this server and some others.
    const REST: usize = 3 << 10;

    #[test]
    fn what_the_page_lets_people_write_can_be_sent() {
        let longest = Asked { q: "{".repeat(EXPRESSION_MAX), show: "explain".to_owned(), ..Asked::default() };
        let address = longest.with("", |_| ());
        assert!(address.len() > 3 * EXPRESSION_MAX);
        assert!(address.len() + REFERRER_MAX + REST < crate::WebOptions::default().head_bytes, "{}", address.len());
    }
}
