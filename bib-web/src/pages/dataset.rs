//! One dataset: a version of it, what is in it, what proves it, and its other versions.

use crate::download;
use crate::error::{Notice, PageError, status_of};
use crate::format::{When, bytes, count, counted, part, short};
use crate::list::{Form, answer};
use crate::pages::back;
use crate::pages::datasets::whereabouts;
use crate::pages::proof::{Replica, proof, publisher, replicas};
use crate::pages::versions::{self, Other};
use crate::session::Visitor;
use crate::shell::{Shell, page, page_with};
use actix_web::{HttpResponse, web};
use askama::Template;
use bib_proto::client::ClientError;
use bib_proto::v1::verify_response::Part;
use bib_proto::v1::{
    Entry, GetDatasetRequest, GetSelfRequest, ListNodesRequest, ListVersionsRequest, ListVersionsResponse,
    VerifyReport, VerifyRequest, Version,
};
use serde::{Deserialize, Serialize};
use tonic::Response;

/// Files of one page.
const FILES: u32 = 500;
/// Versions of one page.
const VERSIONS: u32 = 500;
/// Files of one list for programs, which says where the next ones are. A version may have a million.
const RECORDS: u32 = 10_000;

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/datasets/{topic}/{name}", web::get().to(show))
        .route("/datasets/{topic}/{name}/files.json", web::get().to(files))
        .route("/datasets/{topic}/{name}/files.csv", web::get().to(files))
        .route("/datasets/{topic}/{name}/verify", web::post().to(verify))
        .route("/datasets/{topic}/{name}/verify", web::get().to(back))
        .route("/datasets/{topic}/{name}/file", web::get().to(one_file))
        .route("/datasets/{topic}/{name}/archive", web::get().to(archive));
}

/// A file for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    path: String,
    kind: String,
    size: u64,
    mode: String,
    media_type: String,
    content_hash: String,
    target: String,
    rows: Option<i64>,
    columns: Option<usize>,
}

struct FileRow {
    path: String,
    media: String,
    size: String,
    rows: String,
    hash: String,
    hash_short: String,
    link: String,
    /// Its rows, if it is a table.
    table: String,
    columns: Vec<(String, String, bool)>,
}

struct VersionRow {
    number: u64,
    /// Enough of its id for an address: another publisher may have given the same number.
    id: String,
    link: String,
    message: String,
    files: String,
    bytes: String,
    here: &'static str,
    readable: bool,
    state: &'static str,
    class: &'static str,
    created: When,
    shown: bool,
}

/// The outcome of a verification.
struct Verdict {
    ok: bool,
    text: String,
    damage: Vec<(String, String, String)>,
    more: u64,
}

#[derive(Template)]
#[template(path = "dataset.html")]
struct DatasetPage {
    shell: Shell,
    name: String,
    topic: String,
    link: String,
    /// The name of the version that is shown, as that of the others.
    shown: String,
    /// The latest, unless it is shown.
    latest: Option<Other>,
    /// A newer one that is not whole yet, unless it is shown or there is nothing better.
    arriving: Option<Other>,
    version: VersionRow,
    rows: String,
    chunks: String,
    files: Vec<FileRow>,
    /// Whether they are the first ones.
    first: bool,
    /// What leads to the next ones; empty at the end.
    next: String,
    versions: Vec<VersionRow>,
    /// How many there are.
    all_versions: String,
    /// Whether they are the newest ones.
    newest: bool,
    /// What leads to the older ones; empty at the end.
    older: String,
    proof: Vec<(&'static str, String)>,
    publisher: String,
    publisher_link: String,
    replicas: Vec<Replica>,
    /// Nothing of it is here that could be verified.
    elsewhere: bool,
    verdict: Option<Verdict>,
}

#[derive(Deserialize, Default)]
pub(crate) struct Asked {
    /// Version id, beginning of one, or number; empty for the latest.
    #[serde(default)]
    v: String,
    /// Where among the files to go on, as the page before said; empty for the first ones.
    #[serde(default)]
    page: String,
    /// The same among its versions.
    #[serde(default)]
    versions: String,
    /// A file.
    #[serde(default)]
    path: String,
}

type Names = web::Path<(String, String)>;

fn dataset_of(names: &Names) -> String {
    format!("{}/{}", names.0, names.1)
}

/// A part of the files of a version: never all of them, of which there may be more than a node can hold for each page.
fn asked_for(names: &Names, asked: &Asked, page_size: u32) -> GetDatasetRequest {
    let (version, page_token) = (asked.v.clone(), asked.page.clone());
    GetDatasetRequest { name: dataset_of(names), version, page_size, page_token }
}

async fn show(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    Ok(page(&dataset_page(&visitor, &names, &asked).await?))
}

async fn dataset_page(visitor: &Visitor, names: &Names, asked: &Asked) -> Result<DatasetPage, PageError> {
    let name = dataset_of(names);
    let (mut files, mut nodes, mut this) = (visitor.client.datasets(), visitor.client.nodes(), visitor.client.nodes());
    let versions_of = |page_token: &str| {
        let (mut datasets, page_token) = (visitor.client.datasets(), page_token.to_owned());
        let request = ListVersionsRequest { name: name.clone(), page_size: VERSIONS, page_token };
        async move { datasets.list_versions(request).await.map(Response::into_inner) }
    };
    let (found, newest, nodes, this) = futures::try_join!(
        files.get_dataset(asked_for(names, asked, FILES)),
        versions_of(""),
        nodes.list_nodes(ListNodesRequest::default()),
        this.get_self(GetSelfRequest {}),
    )?;
    // what a version is called and which is better is said of the newest ones, whichever are listed
    let ListVersionsResponse { versions, next_page_token } = newest;
    let (later, older) = match asked.versions.as_str() {
        "" => (None, next_page_token),
        token => {
            let page = versions_of(token).await?;
            (Some(page.versions), page.next_page_token)
        }
    };
    let (found, nodes) = (found.into_inner(), nodes.into_inner().nodes);
    let own = this.into_inner().node.unwrap_or_default();
    let version = found.version.clone().unwrap_or_default();
    let link = format!("/datasets/{name}");
    let (latest, arriving) = versions::better(&found, &version, &versions);
    let selector = versions::selector(&version, &versions);
    let other = |other: &Version| Other::new(other, &versions, &link);
    let cli = if latest.is_some() { format!(" --version {selector}") } else { String::new() };
    let mut shell = visitor
        .shell(name.clone(), "datasets")
        .live_on(&["datasets", "transfers", "peers"])
        .same_as(format!("bib dataset get {name}{cli}"));
    // also of the latest: what is fetched again stands above the files of this version
    shell.here = versions::address(&link, &version);
    let (publisher, publisher_link) = publisher(&version, &own, &nodes);
    let files = found.entries.iter().map(|entry| file_row(entry, &link, &version, &selector)).collect();
    Ok(DatasetPage {
        shell,
        topic: names.0.clone(),
        shown: versions::name(&version, &versions),
        latest: latest.map(other),
        arriving: arriving.map(other),
        rows: if version.rows == 0 { "–".to_owned() } else { count(version.rows) },
        chunks: counted(version.chunks, "chunk"),
        files,
        first: asked.page.is_empty(),
        next: part(&found.next_page_token),
        proof: proof(&found, &version),
        publisher,
        publisher_link,
        replicas: replicas(&version, &own, &nodes),
        elsewhere: version.remote,
        all_versions: counted(found.dataset.as_ref().map_or(0, |dataset| dataset.versions), "version"),
        newest: later.is_none(),
        older: part(&older),
        versions: later.as_ref().unwrap_or(&versions).iter().map(|one| version_row(one, &link, &version.id)).collect(),
        version: version_row(&version, &link, &version.id),
        name,
        link,
        verdict: None,
    })
}

/// `selector` is for the addresses of tables, which people read.
fn file_row(entry: &Entry, link: &str, version: &Version, selector: &str) -> FileRow {
    let rows = entry.schema.as_ref().map_or(-1, |schema| schema.rows);
    let columns = entry.schema.iter().flat_map(|schema| &schema.columns);
    let place = format!("v={}&path={}", short(&version.id), part(&entry.path));
    FileRow {
        media: match entry.kind.as_str() {
            "symlink" => format!("link to {}", entry.target),
            "directory" => "folder".to_owned(),
            _ => entry.media_type.clone(),
        },
        size: if entry.kind == "file" { bytes(entry.size) } else { String::new() },
        rows: u64::try_from(rows).map(count).unwrap_or_default(),
        hash: entry.content_hash.clone(),
        hash_short: short(&entry.content_hash),
        link: if entry.kind == "file" { format!("{link}/file?{place}") } else { String::new() },
        table: match entry.schema {
            Some(_) => format!("{link}/v/{selector}/table?file={}", part(&entry.path)),
            None => String::new(),
        },
        columns: columns.map(|column| (column.name.clone(), column.r#type.clone(), column.nullable)).collect(),
        path: entry.path.clone(),
    }
}

fn version_row(version: &Version, link: &str, shown: &str) -> VersionRow {
    let (state, class) = whereabouts(version);
    let here = match (version.complete, version.remote) {
        (true, _) => "whole here",
        (false, true) => "on other nodes",
        (false, false) => "in part here",
    };
    VersionRow {
        number: version.number,
        id: short(&version.id),
        link: versions::address(link, version),
        message: version.message.clone(),
        files: count(version.files),
        bytes: bytes(version.bytes),
        here,
        readable: version.complete || version.remote,
        state,
        class,
        created: When::new(version.created_ms),
        shown: version.id == shown,
    }
}

async fn files(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    let found = visitor.client.datasets().get_dataset(asked_for(&names, &asked, RECORDS)).await?.into_inner();
    let path = visitor.request().path();
    let next = Some(part(&found.next_page_token)).filter(|token| !token.is_empty()).map(|token| {
        let version = found.version.map(|version| short(&version.id)).unwrap_or_default();
        format!("{path}?v={version}&page={token}")
    });
    let records: Vec<Record> = found.entries.into_iter().map(record).collect();
    Ok(answer(Form::of(path), &records, next.as_deref()))
}

fn record(entry: Entry) -> Record {
    Record {
        path: entry.path,
        kind: entry.kind,
        size: entry.size,
        mode: format!("{:o}", entry.mode),
        media_type: entry.media_type,
        content_hash: entry.content_hash,
        target: entry.target,
        rows: entry.schema.as_ref().map(|schema| schema.rows).filter(|rows| *rows >= 0),
        columns: entry.schema.map(|schema| schema.columns.len()),
    }
}

async fn one_file(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    download::file(visitor.bulk_client()?, &dataset_of(&names), &asked.v, &asked.path).await
}

async fn archive(visitor: Visitor, names: Names, asked: web::Query<Asked>) -> Result<HttpResponse, PageError> {
    download::archive(visitor.bulk_client()?, &dataset_of(&names), &asked.v).await
}

/// Hashes every chunk again, and shows the page with what was found.
async fn verify(visitor: Visitor, names: Names, asked: web::Form<Asked>) -> Result<HttpResponse, PageError> {
    let asked = asked.into_inner();
    let outcome = run_verify(&visitor, &names, &asked.v).await;
    let mut shown = dataset_page(&visitor, &names, &asked).await?;
    match outcome {
        Ok(report) => {
            shown.verdict = Some(verdict(report));
            Ok(page(&shown))
        }
        Err(error) => {
            shown.shell = shown.shell.with_alert(Some(Notice::from(&error)));
            Ok(page_with(status_of(&error), &shown))
        }
    }
}

async fn run_verify(visitor: &Visitor, names: &Names, version: &str) -> Result<VerifyReport, ClientError> {
    let request = VerifyRequest { dataset: dataset_of(names), version: version.to_owned(), ..Default::default() };
    let mut news = visitor.client.datasets().verify(request).await?.into_inner();
    while let Some(message) = news.message().await? {
        if let Some(Part::Report(report)) = message.part {
            return Ok(report);
        }
    }
    Err(tonic::Status::unavailable("the verification broke off").into())
}

fn verdict(report: VerifyReport) -> Verdict {
    let (chunks, size) = (count(report.chunks), bytes(report.bytes));
    let text = match (report.ok, report.signature_ok) {
        (true, _) => format!(
            "Verified now: all {chunks} chunks ({size}) have the hash that they are named by, and the signature is right."
        ),
        (false, false) => {
            "The signature does not match the manifest: this is not what its publisher signed.".to_owned()
        }
        (false, true) => format!("Of {chunks} chunks ({size}), some are hurt. The node asks its peers for them."),
    };
    let damage = report.damage.into_iter().map(|damage| (damage.path, damage.kind, damage.detail)).collect();
    Verdict { ok: report.ok, text, damage, more: report.more_damage }
}
