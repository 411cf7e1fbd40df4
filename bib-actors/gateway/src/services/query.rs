//! Queries: an expression in, rows out as they are found.

use super::answer;
use super::catalog::GuardianCatalog;
use super::ipc::{IpcStream, columns};
use super::shape::shape;
use super::stream::{Out, Sink, fill};
use crate::access::Caller;
use crate::journal::Record;
use crate::mapping::busy;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::OpContext;
use bib_kit::clock;
use bib_proto::v1::query_response::Part;
use bib_proto::v1::query_service_server::QueryService;
use bib_proto::v1::{
    CheckViewRequest, CheckViewResponse, ExplainRequest, ExplainResponse, ExportRequest, ExportResponse,
    GetStatisticsRequest, GetStatisticsResponse, QueryHeader, QueryRequest, QueryResponse, QuerySummary,
    ReadPageRequest, ReadPageResponse, TablePresence,
};
use bib_query::{QueryStats, QueryStream};
use futures::StreamExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Request, Response, Status};

/// The query service.
pub(crate) struct Queries(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl QueryService for Queries {
    type QueryStream = Out<QueryResponse>;
    type ReadPageStream = Out<ReadPageResponse>;
    type ExportStream = Out<ExportResponse>;

    async fn query(&self, request: Request<QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        answer(request, |caller, asked| async move { Box::pin(self.start(&caller, &asked)).await }).await
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        answer(request, |caller, asked| async move { Box::pin(self.plan(&caller, &asked.expression)).await }).await
    }

    async fn check_view(&self, request: Request<CheckViewRequest>) -> Result<Response<CheckViewResponse>, Status> {
        answer(request, |caller, asked| async move { Box::pin(self.check(&caller, asked)).await }).await
    }

    async fn read_page(&self, request: Request<ReadPageRequest>) -> Result<Response<Self::ReadPageStream>, Status> {
        answer(request, |caller, asked| async move { Box::pin(self.page(&caller, asked)).await }).await
    }

    async fn get_statistics(
        &self,
        request: Request<GetStatisticsRequest>,
    ) -> Result<Response<GetStatisticsResponse>, Status> {
        answer(request, |caller, asked| async move { Box::pin(self.statistics(&caller, asked)).await }).await
    }

    async fn export(&self, request: Request<ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        answer(request, |caller, asked| async move { Box::pin(self.export_view(&caller, asked)).await }).await
    }
}

impl Queries {
    /// The catalogue in the name of a caller.
    pub(super) fn catalog(&self, op: &OpContext) -> GuardianCatalog {
        GuardianCatalog::new(&self.0.deps.guardian, &self.0.deps.replicator, op)
    }

    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let limit = self.0.options.transfers.queries;
        self.0.queries.clone().try_acquire_owned().map_err(|_| busy("queries", limit))
    }

    async fn start(&self, caller: &Caller, asked: &QueryRequest) -> Result<Out<QueryResponse>, Problem> {
        let place = self.place()?;
        let began = clock::monotonic();
        let op = caller.op();
        let catalog = self.catalog(&op);
        let limit = (asked.limit > 0).then_some(asked.limit);
        let timeout = (asked.timeout_ms > 0).then(|| Duration::from_millis(asked.timeout_ms));
        let planned = self.0.engine.query(&asked.expression, limit, timeout, &catalog).await;
        // No row has been sent: the record of who reads what is there before the first one.
        let mut record = self.0.journal.reads_since(&op, "dataset.query", &catalog.resolved(), began).await;
        record.fingerprint(shape(&asked.expression));
        match planned {
            Ok(stream) => {
                let job = Job { stream, began, message: self.0.options.transfers.download_message, _place: place };
                fill(&self.0, caller, "query", |sink| job.run(sink, record))
            }
            Err(error) => {
                let problem = Problem::from(error);
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }

    async fn plan(&self, caller: &Caller, expression: &str) -> Result<ExplainResponse, Problem> {
        let _place = self.place()?;
        let began = clock::monotonic();
        let op = caller.op();
        let catalog = self.catalog(&op);
        let explained = self.0.engine.explain(expression, &catalog).await;
        let mut record = self.0.journal.reads_since(&op, "dataset.explain", &catalog.resolved(), began).await;
        record.fingerprint(shape(expression));
        match explained {
            Ok(found) => {
                record.done(None).await;
                let schema = Some(columns(&found.schema));
                let presence = found.presence.map(|it| TablePresence { bytes: it.bytes, bytes_here: it.bytes_here });
                let (plan, row_by_row, bytes_fetched) = (found.plan, found.row_by_row, found.bytes_fetched);
                Ok(ExplainResponse { plan, row_by_row, schema, bytes_fetched, presence })
            }
            Err(error) => {
                let problem = Problem::from(error);
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }
}

/// Has the record say what other nodes sent for the read, if they did.
pub(super) fn note_fetched(record: &mut Record, stats: &QueryStats) {
    if stats.bytes_fetched() > 0 {
        record.note("bytes_fetched", stats.bytes_fetched().to_string());
    }
}

/// Microseconds since `began`.
pub(super) fn elapsed_us(began: Instant) -> u64 {
    u64::try_from(clock::since(began).as_micros()).unwrap_or(u64::MAX)
}

struct Job {
    stream: QueryStream,
    began: Instant,
    message: usize,
    _place: OwnedSemaphorePermit,
}

impl Job {
    async fn run(mut self, sink: Sink<QueryResponse>, mut record: Record) -> Result<(), Problem> {
        let mut rows = 0;
        let sent = self.send(&sink, &mut rows).await;
        note_fetched(&mut record, &self.stream.stats);
        record.streamed(sent, rows).await
    }

    async fn send(&mut self, sink: &Sink<QueryResponse>, rows: &mut u64) -> Result<(), Problem> {
        let versions = self.stream.versions.iter().map(ToString::to_string).collect();
        let header = QueryHeader { schema: Some(columns(&self.stream.schema)), versions };
        sink.send(QueryResponse { part: Some(Part::Header(header)) }).await?;
        let mut ipc = IpcStream::new(&self.stream.schema)?;
        while let Some(batch) = self.stream.stream.next().await {
            let batch = batch?;
            *rows += batch.num_rows() as u64;
            send_bytes(sink, self.message, &ipc.batch(&batch)?).await?;
        }
        send_bytes(sink, self.message, &ipc.finish()?).await?;
        let summary = QuerySummary {
            rows: *rows,
            truncated: self.stream.stats.truncated(),
            elapsed_us: elapsed_us(self.began),
            bytes_read: self.stream.stats.bytes_read(),
            bytes_fetched: self.stream.stats.bytes_fetched(),
        };
        sink.send(QueryResponse { part: Some(Part::Summary(summary)) }).await
    }
}

async fn send_bytes(sink: &Sink<QueryResponse>, message: usize, bytes: &[u8]) -> Result<(), Problem> {
    for piece in bytes.chunks(message) {
        sink.send(QueryResponse { part: Some(Part::ArrowIpc(piece.to_vec())) }).await?;
    }
    Ok(())
}
