//! Views: pages, statistics, exports and checks of what a query gives. Authorized and recorded as queries are.

use super::catalog::GuardianCatalog;
use super::etags::{Subject, Told};
use super::ipc::{IpcStream, columns};
use super::query::{Queries, elapsed_us, note_fetched};
use super::shape::shape;
use super::stream::{Out, Sink, fill};
use crate::access::Caller;
use crate::journal::Record;
use crate::mapping::busy;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::VersionId;
use bib_kit::clock;
use bib_proto::v1;
use bib_proto::v1::{
    CheckViewRequest, CheckViewResponse, ExportRequest, ExportResponse, GetStatisticsRequest, GetStatisticsResponse,
    ReadPageRequest, ReadPageResponse, export_response, read_page_response,
};
use bib_query::{
    ExportFormat, Exporter, Page, QueryError, QueryOptions, QueryStream, SortBy, TableStatistics, Verdict, View,
};
use futures::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// Rows of a page when the client does not say.
const PAGE_ROWS: u64 = 100;

impl Queries {
    pub(super) async fn check(&self, caller: &Caller, asked: CheckViewRequest) -> Result<CheckViewResponse, Problem> {
        let view = view(asked.view)?;
        let _place = self.place_soon().await?;
        let (began, op) = (clock::monotonic(), caller.op());
        let catalog = self.catalog(&op);
        let checked = self.0.engine.check(&view, &catalog).await;
        let (verdict, record) = self.begun(caller, "dataset.check", &view, &catalog, began, checked).await?;
        record.done(None).await;
        let limits = Some(limits(self.0.engine.options()));
        let mistake = match verdict {
            Verdict::Valid { schema } => {
                return Ok(CheckViewResponse { mistake: None, schema: Some(columns(&schema)), limits });
            }
            Verdict::Expression(place) => misplaced("expression", *place),
            Verdict::Filter(place) => misplaced("filter", *place),
            Verdict::Column { message, suggestion, .. } => {
                v1::Mistake { part: "column".to_owned(), message, suggestion, ..Default::default() }
            }
        };
        Ok(CheckViewResponse { mistake: Some(mistake), schema: None, limits })
    }

    pub(super) async fn page(&self, caller: &Caller, asked: ReadPageRequest) -> Result<Out<ReadPageResponse>, Problem> {
        let view = view(asked.view)?;
        let place = self.place_soon().await?;
        let (began, op) = (clock::monotonic(), caller.op());
        let catalog = self.catalog(&op);
        let rows = if asked.rows == 0 { PAGE_ROWS } else { u64::from(asked.rows) };
        let timeout = timeout(asked.timeout_ms);
        let subject = Subject { method: "page", view: &view, window: (asked.offset, rows) };
        let max_rows = self.0.engine.options().max_rows;
        if let Some((version, told)) = self.known(&asked.if_none_match, subject, timeout, &catalog).await {
            let (_, mut record) = self.begun(caller, "dataset.page", &view, &catalog, began, Ok(())).await?;
            record.note("not_modified", "true");
            let header = v1::PageHeader {
                version: version.to_string(),
                matches: told.matches,
                total: told.total,
                elapsed_us: elapsed_us(began),
                max_rows,
                etag: asked.if_none_match,
                not_modified: true,
                ..Default::default()
            };
            return fill(&self.0, caller, "page", move |sink| async move {
                let _place = place;
                let sent = sink.send(ReadPageResponse { part: Some(read_page_response::Part::Header(header)) }).await;
                record.streamed(sent, told.rows).await
            });
        }
        let page = self.0.engine.page(&view, asked.offset, rows, timeout, &catalog).await;
        let (page, record) = self.begun(caller, "dataset.page", &view, &catalog, began, page).await?;
        let told = Told { rows: page.stats.rows(), matches: page.matches, total: page.total };
        let etag = self.0.etags.name(&page.version, subject, told);
        let message = self.0.options.transfers.download_message;
        let job = PageJob { page, etag, message, max_rows, began, _place: place };
        fill(&self.0, caller, "page", move |sink| job.run(sink, record))
    }

    /// The version, and what was told of it, where the client has this very answer already. What is wrong with the view is
    /// left to the answer itself.
    async fn known(
        &self,
        etag: &str,
        subject: Subject<'_>,
        timeout: Option<Duration>,
        catalog: &GuardianCatalog,
    ) -> Option<(VersionId, Told)> {
        if etag.is_empty() {
            return None;
        }
        let version = self.0.engine.version(subject.view, timeout, catalog).await.ok()?;
        self.0.etags.known(etag, &version, subject).map(|told| (version, told))
    }

    pub(super) async fn statistics(
        &self,
        caller: &Caller,
        asked: GetStatisticsRequest,
    ) -> Result<GetStatisticsResponse, Problem> {
        let view = view(asked.view)?;
        let _place = self.place_soon().await?;
        let (began, op) = (clock::monotonic(), caller.op());
        let catalog = self.catalog(&op);
        let timeout = timeout(asked.timeout_ms);
        let subject = Subject { method: "statistics", view: &view, window: (0, 0) };
        if let Some((version, told)) = self.known(&asked.if_none_match, subject, timeout, &catalog).await {
            let (_, mut record) = self.begun(caller, "dataset.statistics", &view, &catalog, began, Ok(())).await?;
            record.note("not_modified", "true");
            record.done(Some(told.rows)).await;
            return Ok(GetStatisticsResponse {
                version: version.to_string(),
                rows: told.rows,
                columns_left: told.matches,
                etag: asked.if_none_match,
                not_modified: true,
                ..Default::default()
            });
        }
        let found = self.0.engine.statistics(&view, timeout, &catalog).await;
        let (found, record) = self.begun(caller, "dataset.statistics", &view, &catalog, began, found).await?;
        record.done(Some(found.rows)).await;
        let told = Told { rows: found.rows, matches: found.columns_left as u64, total: 0 };
        let etag = self.0.etags.name(&found.version, subject, told);
        Ok(GetStatisticsResponse { etag, ..statistics(&found) })
    }

    pub(super) async fn export_view(
        &self,
        caller: &Caller,
        asked: ExportRequest,
    ) -> Result<Out<ExportResponse>, Problem> {
        let format = ExportFormat::named(&asked.format).ok_or_else(|| {
            let known = ExportFormat::NAMES.map(|(name, _)| name).join(", ");
            Problem::invalid("format", "BAD_FORMAT", format!("{:?} is not a format of exports", asked.format))
                .hint(format!("the formats are {known}"))
        })?;
        let view = view(asked.view)?;
        let place = self.place()?;
        let (began, op) = (clock::monotonic(), caller.op());
        let catalog = self.catalog(&op);
        let limit = (asked.limit > 0).then_some(asked.limit);
        let started = self.0.engine.rows(&view, limit, timeout(asked.timeout_ms), &catalog).await;
        let (stream, mut record) = self.begun(caller, "dataset.export", &view, &catalog, began, started).await?;
        record.note("format", asked.format);
        let job = ExportJob { shared: Arc::clone(&self.0), stream, format, began, _place: place };
        fill(&self.0, caller, "export", |sink| job.run(sink, record))
    }

    /// A place among the queries, waited for: a browser asks for several things at once.
    async fn place_soon(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let transfers = &self.0.options.transfers;
        let waiting = tokio::time::timeout(transfers.page_wait, self.0.queries.clone().acquire_owned());
        match waiting.await {
            Ok(Ok(place)) => Ok(place),
            _ => Err(busy("queries", transfers.queries)),
        }
    }

    /// Opens the record of a view, before anybody hears of its rows; closes it when there are none to hear of.
    async fn begun<T>(
        &self,
        caller: &Caller,
        action: &str,
        view: &View,
        catalog: &GuardianCatalog,
        began: Instant,
        outcome: Result<T, QueryError>,
    ) -> Result<(T, Record), Problem> {
        let mut record = self.0.journal.reads_since(&caller.op(), action, &catalog.resolved(), began).await;
        let mut asked = shape(&view.expression);
        if !view.filter.is_empty() {
            asked.push_str(&format!(" where {}", shape(&view.filter)));
        }
        record.fingerprint(asked);
        match outcome {
            Ok(value) => Ok((value, record)),
            Err(error) => {
                let problem = Problem::from(error);
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }
}

/// What the client wants to see.
fn view(asked: Option<v1::View>) -> Result<View, Problem> {
    let asked = asked.ok_or_else(|| {
        Problem::invalid("view", "BAD_REQUEST", "the request names no view").hint("give view.expression")
    })?;
    let v1::View { expression, filter, columns, sort, descending } = asked;
    let sort = (!sort.is_empty()).then_some(SortBy { column: sort, descending });
    Ok(View { expression, filter, columns, sort })
}

fn limits(options: &QueryOptions) -> v1::QueryLimits {
    v1::QueryLimits {
        max_rows: options.max_rows,
        timeout_ms: u64::try_from(options.timeout.as_millis()).unwrap_or(u64::MAX),
        memory_bytes: options.memory_bytes as u64,
        expression_bytes: options.max_expression_bytes as u64,
        page_rows: options.page_rows,
    }
}

fn timeout(milliseconds: u64) -> Option<Duration> {
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds))
}

fn misplaced(part: &str, place: bib_query::InvalidExpression) -> v1::Mistake {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    v1::Mistake {
        part: part.to_owned(),
        message: place.message,
        line: number(place.line),
        column: number(place.column),
        width: number(place.width),
        suggestion: place.suggestion.unwrap_or_default(),
    }
}

fn statistics(found: &TableStatistics) -> GetStatisticsResponse {
    let bar = |bar: &bib_query::Bar| v1::Bar {
        from: bar.from.clone(),
        to: bar.to.clone(),
        count: bar.count,
        filter: bar.filter.clone(),
    };
    let column = |column: &bib_query::ColumnStatistics| v1::ColumnStatistics {
        name: column.name.clone(),
        r#type: column.kind.clone(),
        nulls: column.nulls,
        nulls_filter: column.nulls_filter.clone(),
        not_finite: column.not_finite,
        min: column.min.clone(),
        max: column.max.clone(),
        distinct: column.distinct,
        distinct_exact: column.distinct_exact,
        bins: column.bins.iter().map(bar).collect(),
        top_values: column.top_values.iter().map(bar).collect(),
    };
    GetStatisticsResponse {
        version: found.version.to_string(),
        rows: found.rows,
        columns: found.columns.iter().map(column).collect(),
        columns_left: found.columns_left as u64,
        ..Default::default()
    }
}

struct PageJob {
    page: Page,
    etag: String,
    message: usize,
    max_rows: u64,
    began: Instant,
    _place: OwnedSemaphorePermit,
}

impl PageJob {
    async fn run(self, sink: Sink<ReadPageResponse>, mut record: Record) -> Result<(), Problem> {
        let (stats, message) = (self.page.stats.clone(), self.message);
        let sent = async {
            let page = self.page;
            let header = v1::PageHeader {
                schema: Some(columns(&page.schema)),
                version: page.version.to_string(),
                positions: page.positions,
                matches: page.matches,
                total: page.total,
                elapsed_us: elapsed_us(self.began),
                bytes_read: page.stats.bytes_read(),
                max_rows: self.max_rows,
                bytes_fetched: page.stats.bytes_fetched(),
                etag: self.etag,
                not_modified: false,
            };
            sink.send(ReadPageResponse { part: Some(read_page_response::Part::Header(header)) }).await?;
            let mut ipc = IpcStream::new(&page.schema)?;
            for batch in &page.batches {
                send_rows(&sink, message, &ipc.batch(batch)?).await?;
            }
            send_rows(&sink, message, &ipc.finish()?).await
        };
        let sent = sent.await;
        note_fetched(&mut record, &stats);
        match sent {
            Ok(()) => {
                record.done(Some(stats.rows())).await;
                Ok(())
            }
            Err(problem) => {
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }
}

async fn send_rows(sink: &Sink<ReadPageResponse>, message: usize, bytes: &[u8]) -> Result<(), Problem> {
    for piece in bytes.chunks(message) {
        let part = read_page_response::Part::ArrowIpc(piece.to_vec());
        sink.send(ReadPageResponse { part: Some(part) }).await?;
    }
    Ok(())
}

struct ExportJob {
    shared: Arc<Shared>,
    stream: QueryStream,
    format: ExportFormat,
    began: Instant,
    _place: OwnedSemaphorePermit,
}

impl ExportJob {
    async fn run(mut self, sink: Sink<ExportResponse>, mut record: Record) -> Result<(), Problem> {
        let mut rows = 0;
        let sent = self.send(&sink, &mut rows).await;
        note_fetched(&mut record, &self.stream.stats);
        record.streamed(sent, rows).await
    }

    async fn send(&mut self, sink: &Sink<ExportResponse>, rows: &mut u64) -> Result<(), Problem> {
        let version = self.stream.versions.first().map(ToString::to_string).unwrap_or_default();
        let (media_type, extension) = (self.format.media_type().to_owned(), self.format.extension().to_owned());
        let header = v1::ExportHeader { media_type, extension, version };
        sink.send(ExportResponse { part: Some(export_response::Part::Header(header)) }).await?;
        let message = self.shared.options.transfers.download_message;
        let group = self.shared.engine.options().export_group_bytes;
        let mut exporter = Exporter::new(self.format, &self.stream.schema, group)?;
        while let Some(batch) = self.stream.stream.next().await {
            let batch = batch?;
            *rows += batch.num_rows() as u64;
            let work = move || exporter.batch(&batch).map(|bytes| (exporter, bytes));
            let (back, bytes) = self.shared.reads.run(work).await??;
            exporter = back;
            send_bytes(sink, message, &bytes).await?;
        }
        let bytes = self.shared.reads.run(move || exporter.finish()).await??;
        send_bytes(sink, message, &bytes).await?;
        let summary = v1::QuerySummary {
            rows: *rows,
            truncated: self.stream.stats.truncated(),
            elapsed_us: elapsed_us(self.began),
            bytes_read: self.stream.stats.bytes_read(),
            bytes_fetched: self.stream.stats.bytes_fetched(),
        };
        sink.send(ExportResponse { part: Some(export_response::Part::Summary(summary)) }).await
    }
}

async fn send_bytes(sink: &Sink<ExportResponse>, message: usize, bytes: &[u8]) -> Result<(), Problem> {
    for piece in bytes.chunks(message) {
        sink.send(ExportResponse { part: Some(export_response::Part::Data(piece.to_vec())) }).await?;
    }
    Ok(())
}
