//! The list of datasets: all of them, those of a topic, or those that contain a text.

use crate::cel;
use crate::error::PageError;
use crate::format::{When, bytes, count, part};
use crate::list::{Form, answer};
use crate::session::Visitor;
use crate::shell::{Shell, page, see};
use actix_web::{HttpResponse, web};
use askama::Template;
use bib_proto::v1::{Dataset, ListDatasetsRequest, ListTopicsRequest, Version};
use serde::{Deserialize, Serialize};

/// Entries of one page.
const PAGE: u32 = 100;
/// Topics to choose from.
const TOPICS: u32 = 500;

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/datasets", web::get().to(list))
        .route("/datasets.json", web::get().to(list))
        .route("/datasets.csv", web::get().to(list))
        .route("/datasets/{whole}", web::get().to(whole));
}

/// A dataset for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    name: String,
    version: u64,
    version_id: String,
    message: String,
    publisher: String,
    files: u64,
    rows: u64,
    bytes: u64,
    complete: bool,
    updated_ms: i64,
}

/// A dataset as the pages show it.
pub(crate) struct DatasetRow {
    pub(crate) name: String,
    pub(crate) link: String,
    pub(crate) message: String,
    pub(crate) version: String,
    pub(crate) files: String,
    pub(crate) rows: String,
    pub(crate) bytes: String,
    pub(crate) state: &'static str,
    pub(crate) class: &'static str,
    pub(crate) updated: When,
}

#[derive(Template)]
#[template(path = "datasets.html")]
struct DatasetsPage {
    shell: Shell,
    datasets: Vec<DatasetRow>,
    topics: Vec<String>,
    topic: String,
    text: String,
    next: String,
    json: String,
    csv: String,
    filtered: bool,
    first: bool,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    topic: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    page: String,
}

impl Asked {
    /// The state of the list in its address.
    fn address(&self, path: &str, page: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("topic", self.topic.as_str()), ("text", &self.text), ("page", page)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// The same on the command line, which has no flag for the text.
    fn same_as(&self) -> String {
        let contains = |text: &str| {
            let pattern = cel::quote(&cel::pattern(text));
            format!("name.matches({pattern}) || latest.message.matches({pattern})")
        };
        let filter = if self.text.is_empty() { String::new() } else { contains(&self.text) };
        let flags = [("topic", &self.topic), ("filter", &filter), ("page-token", &self.page)];
        let flags: String = flags.map(|(name, value)| cel::flag(name, value)).concat();
        format!("bib dataset list{flags}")
    }
}

async fn list(visitor: Visitor, query: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let mut asked = query.into_inner();
    asked.text = asked.text.trim().to_owned();
    let request = ListDatasetsRequest {
        topic: asked.topic.clone(),
        page_size: PAGE,
        page_token: asked.page.clone(),
        text: asked.text.clone(),
    };
    let found = visitor.client.datasets().list_datasets(request).await?.into_inner();
    let next = |path: &str| {
        let token = &found.next_page_token;
        if token.is_empty() { String::new() } else { asked.address(path, token) }
    };
    let form = Form::of(visitor.request().path());
    if form != Form::Page {
        let next = Some(next(visitor.request().path())).filter(|next| !next.is_empty());
        let records: Vec<Record> = found.datasets.into_iter().map(record).collect();
        return Ok(answer(form, &records, next.as_deref()));
    }
    let topics = ListTopicsRequest { page_size: TOPICS, ..Default::default() };
    let topics = visitor.client.topics().list_topics(topics).await?.into_inner().topics;
    Ok(page(&DatasetsPage {
        shell: visitor.shell("Datasets", "datasets").live_on(&["datasets"]).same_as(asked.same_as()),
        next: next("/datasets"),
        datasets: found.datasets.into_iter().map(dataset_row).collect(),
        topics: topics.into_iter().map(|topic| topic.name).collect(),
        json: asked.address("/datasets.json", &asked.page),
        csv: asked.address("/datasets.csv", &asked.page),
        filtered: !(asked.topic.is_empty() && asked.text.is_empty()),
        first: asked.page.is_empty(),
        topic: asked.topic,
        text: asked.text,
    }))
}

/// `/datasets/topic%2Fname`, as a dataset's name stands in an address when it is one word.
async fn whole(_visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let name = path.replace("%2F", "/").replace("%2f", "/");
    match name.split_once('/') {
        Some((topic, name)) => Ok(see(&format!("/datasets/{}/{}", part(topic), part(name)))),
        None => Ok(see(&format!("/datasets?topic={}", part(&name)))),
    }
}

fn record(dataset: Dataset) -> Record {
    let latest = dataset.latest.unwrap_or_default();
    Record {
        name: dataset.name,
        version: latest.number,
        version_id: latest.id,
        message: latest.message,
        publisher: latest.publisher,
        files: latest.files,
        rows: latest.rows,
        bytes: latest.bytes,
        complete: latest.complete,
        updated_ms: dataset.updated_ms,
    }
}

/// Where a version's chunks are, in a word, and its tone.
pub(crate) fn whereabouts(version: &Version) -> (&'static str, &'static str) {
    match (version.complete, version.remote) {
        (true, _) => ("whole", " ok"),
        (false, true) => ("elsewhere", ""),
        (false, false) => ("in part", " warn"),
    }
}

/// A dataset as the pages show it.
pub(crate) fn dataset_row(dataset: Dataset) -> DatasetRow {
    let latest = dataset.latest.unwrap_or_default();
    let (state, class) = whereabouts(&latest);
    DatasetRow {
        link: format!("/datasets/{}", dataset.name),
        name: dataset.name,
        message: latest.message,
        version: latest.number.to_string(),
        files: count(latest.files),
        rows: if latest.rows == 0 { String::new() } else { count(latest.rows) },
        bytes: bytes(latest.bytes),
        state,
        class,
        updated: When::new(dataset.updated_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_lists_the_same_datasets() {
        let same_as = |topic: &str, text: &str, page: &str| {
            Asked { topic: topic.to_owned(), text: text.to_owned(), page: page.to_owned() }.same_as()
        };
        assert_eq!(same_as("", "", ""), "bib dataset list");
        assert_eq!(same_as("weather", "", "ab12"), "bib dataset list --topic weather --page-token ab12");
        assert_eq!(
            same_as("", "it's 1.5", ""),
            "bib dataset list --filter 'name.matches(\"(?i)it'\\''s 1\\\\.5\") || \
             latest.message.matches(\"(?i)it'\\''s 1\\\\.5\")'"
        );
    }
}
