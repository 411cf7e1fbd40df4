//! Topics: the list, one topic, making one, following and leaving one.

use super::back;
use super::datasets::{DatasetRow, dataset_row};
use super::sure::{Ask, Sure};
use crate::cel;
use crate::error::{Notice, PageError, status_of};
use crate::format::{When, bytes, count, part, short};
use crate::list::{Form, answer};
use crate::session::Visitor;
use crate::shell::{Shell, page, page_with, see};
use crate::site::Web;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use bib_proto::client::ClientError;
use bib_proto::v1::{
    CreateTopicRequest, GetTopicRequest, ListDatasetsRequest, ListNodesRequest, ListTopicsRequest, Node,
    SubscribeRequest, Topic, UnsubscribeRequest,
};
use serde::{Deserialize, Serialize};

/// Entries of one page.
const PAGE: u32 = 100;

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/topics").route(web::get().to(list)).route(web::post().to(create)))
        .route("/topics.json", web::get().to(list))
        .route("/topics.csv", web::get().to(list))
        .route("/topics/{topic}", web::get().to(show))
        .route("/topics/{topic}/subscribe", web::post().to(subscribe))
        .route("/topics/{topic}/subscribe", web::get().to(back))
        .route("/topics/{topic}/unsubscribe", web::post().to(unsubscribe))
        .route("/topics/{topic}/unsubscribe", web::get().to(back));
}

/// A topic for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    name: String,
    description: String,
    owner: String,
    datasets: u64,
    bytes: u64,
    subscribed: bool,
    created_ms: i64,
    updated_ms: i64,
}

/// A topic as the pages show it.
struct Row {
    name: String,
    description: String,
    owner: String,
    datasets: String,
    bytes: String,
    subscribed: bool,
    updated: When,
}

#[derive(Template)]
#[template(path = "topics.html")]
struct TopicsPage {
    shell: Shell,
    topics: Vec<Row>,
    next: String,
    json: String,
    csv: String,
    operates: bool,
    name: String,
    description: String,
}

#[derive(Template)]
#[template(path = "topic.html")]
struct TopicPage {
    shell: Shell,
    topic: Row,
    /// The page of the node that made it; empty where there is none.
    owner_link: String,
    datasets: Vec<DatasetRow>,
    more: bool,
    operates: bool,
    asks: bool,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    page: String,
}

async fn list(visitor: Visitor, query: web::Query<Page>) -> Result<HttpResponse, PageError> {
    let shown = query.into_inner().page;
    let request = ListTopicsRequest { page_size: PAGE, page_token: shown.clone() };
    let found = visitor.client.topics().list_topics(request).await?.into_inner();
    let form = Form::of(visitor.request().path());
    if form != Form::Page {
        let next = next_of(visitor.request().path(), &found.next_page_token);
        let records: Vec<Record> = found.topics.into_iter().map(record).collect();
        return Ok(answer(form, &records, next.as_deref()));
    }
    Ok(page(&topics_page(&visitor, found.topics, (&shown, &found.next_page_token), NewTopic::default())))
}

/// The part of the list that begins at the token `shown`, empty for the first one, and is followed by that at `next`.
fn topics_page(visitor: &Visitor, topics: Vec<Topic>, (shown, next): (&str, &str), typed: NewTopic) -> TopicsPage {
    let same_as = |path: &str| next_of(path, shown).unwrap_or_else(|| path.to_owned());
    TopicsPage {
        shell: visitor
            .shell("Topics", "topics")
            .live_on(&["topics", "datasets"])
            .same_as(format!("bib topic list{}", cel::flag("page-token", shown))),
        topics: topics.into_iter().map(row).collect(),
        next: next_of("/topics", next).unwrap_or_default(),
        json: same_as("/topics.json"),
        csv: same_as("/topics.csv"),
        operates: visitor.operates(),
        name: typed.name,
        description: typed.description,
    }
}

fn next_of(path: &str, token: &str) -> Option<String> {
    (!token.is_empty()).then(|| format!("{path}?page={}", part(token)))
}

#[derive(Deserialize, Default)]
struct NewTopic {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
}

/// Makes a topic, and shows it; or the list again, with what was typed and what is wrong with it.
async fn create(visitor: Visitor, typed: web::Form<NewTopic>) -> Result<HttpResponse, PageError> {
    let mut typed = typed.into_inner();
    typed.name = typed.name.trim().to_owned();
    let request =
        CreateTopicRequest { name: typed.name.clone(), description: typed.description.clone(), ..Default::default() };
    match visitor.client.topics().create_topic(request).await {
        Ok(_) => Ok(see(&format!("/topics/{}?done=created", part(&typed.name)))),
        Err(status) => {
            let error = ClientError::from(status);
            let request = ListTopicsRequest { page_size: PAGE, ..Default::default() };
            let found = visitor.client.topics().list_topics(request).await?.into_inner();
            let mut again = topics_page(&visitor, found.topics, ("", &found.next_page_token), typed);
            again.shell = again.shell.with_alert(Some(Notice::from(&error)));
            again.shell.here = "/topics".to_owned();
            Ok(page_with(status_of(&error), &again))
        }
    }
}

async fn show(visitor: Visitor, path: web::Path<String>, query: web::Query<Ask>) -> Result<HttpResponse, PageError> {
    Ok(page(&topic_page(&visitor, &path, query.is("unsubscribe")).await?))
}

async fn topic_page(visitor: &Visitor, name: &str, asks: bool) -> Result<TopicPage, PageError> {
    let (mut topics, mut datasets) = (visitor.client.topics(), visitor.client.datasets());
    let mut nodes = visitor.client.nodes();
    let list = ListDatasetsRequest { topic: name.to_owned(), page_size: PAGE, ..Default::default() };
    let (topic, found, nodes) = futures::try_join!(
        topics.get_topic(GetTopicRequest { name: name.to_owned() }),
        datasets.list_datasets(list),
        nodes.list_nodes(ListNodesRequest::default()),
    )?;
    let (topic, found) = (topic.into_inner().topic.unwrap_or_default(), found.into_inner());
    let mut shell = visitor
        .shell(topic.name.clone(), "topics")
        .live_on(&["topics", "datasets"])
        .same_as(format!("bib topic get {}", topic.name));
    shell.here = format!("/topics/{}", part(&topic.name));
    Ok(TopicPage {
        shell,
        owner_link: owner_link(visitor, &topic.owner, &nodes.into_inner().nodes),
        topic: row(topic),
        more: !found.next_page_token.is_empty(),
        datasets: found.datasets.into_iter().map(dataset_row).collect(),
        operates: visitor.operates(),
        asks,
    })
}

/// The page of a node: this one's is the first, and one that is neither paired nor connected has none.
fn owner_link(visitor: &Visitor, owner: &str, nodes: &[Node]) -> String {
    if visitor.request().app_data::<web::Data<Web>>().is_some_and(|web| web.site.node_id == owner) {
        return "/".to_owned();
    }
    let known = nodes.iter().any(|node| node.id == owner);
    if known { format!("/nodes/{}", part(owner)) } else { String::new() }
}

async fn subscribe(visitor: Visitor, path: web::Path<String>) -> Result<HttpResponse, PageError> {
    let request = SubscribeRequest { name: path.clone(), ..Default::default() };
    match visitor.client.topics().subscribe(request).await {
        Ok(_) => Ok(see(&format!("/topics/{}?done=subscribed", part(&path)))),
        Err(status) => refused(&visitor, &path, &status.into()).await,
    }
}

async fn unsubscribe(
    visitor: Visitor,
    path: web::Path<String>,
    sure: web::Form<Sure>,
) -> Result<HttpResponse, PageError> {
    if let Some(notice) = sure.check(&path, "topic") {
        let mut again = topic_page(&visitor, &path, true).await?;
        again.shell = again.shell.with_alert(Some(notice));
        return Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &again));
    }
    let request = UnsubscribeRequest { name: path.clone(), ..Default::default() };
    match visitor.client.topics().unsubscribe(request).await {
        Ok(_) => Ok(see(&format!("/topics/{}?done=unsubscribed", part(&path)))),
        Err(status) => refused(&visitor, &path, &status.into()).await,
    }
}

/// The topic's page with what went wrong above it.
async fn refused(visitor: &Visitor, name: &str, error: &ClientError) -> Result<HttpResponse, PageError> {
    let mut again = topic_page(visitor, name, false).await?;
    again.shell = again.shell.with_alert(Some(Notice::from(error)));
    Ok(page_with(status_of(error), &again))
}

fn record(topic: Topic) -> Record {
    Record {
        name: topic.name,
        description: topic.description,
        owner: topic.owner,
        datasets: topic.datasets,
        bytes: topic.bytes,
        subscribed: topic.subscribed,
        created_ms: topic.created_ms,
        updated_ms: topic.updated_ms,
    }
}

fn row(topic: Topic) -> Row {
    Row {
        name: topic.name,
        description: topic.description,
        owner: short(&topic.owner),
        datasets: count(topic.datasets),
        bytes: bytes(topic.bytes),
        subscribed: topic.subscribed,
        updated: When::new(topic.updated_ms),
    }
}
