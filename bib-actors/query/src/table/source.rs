//! A scan of CSV, JSON-lines or Arrow files as DataFusion sees it: projections are pushed into the reader, large
//! files of lines are read in parts. Batches are made on blocking threads, so that parsing never holds up others; where
//! the lines of a CSV file are its records, on several at a time, also when they are given out in order.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::ObjectStore;

use super::csv::CsvBatches;
use super::fault::ReadFault;
use super::file::ChunkFile;
use super::ipc::IpcBatches;
use super::json::JsonBatches;
use super::lines::Lines;
use super::media::{CsvDialect, Media};
use super::objects::location;
use super::reads::Reads;
use super::slice::Slice;
use super::tokenized::Tokenized;

/// A reader that makes batches, blocking.
pub(super) trait Batches: Send {
    /// The next batch, or none at the end.
    fn next_batch(&mut self) -> Result<Option<RecordBatch>, ReadFault>;
}

/// A scan of files that are no Parquet.
#[derive(Clone)]
pub(super) struct ChunkSource {
    reads: Reads,
    files: Arc<Vec<Arc<ChunkFile>>>,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    cores: usize,
    /// Slices of a file that are read at a time.
    ahead: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl ChunkSource {
    /// `cores` may work on the scan at once.
    pub(super) fn new(
        reads: Reads,
        files: Arc<Vec<Arc<ChunkFile>>>,
        schema: SchemaRef,
        batch_rows: usize,
        cores: usize,
    ) -> Self {
        let table_schema = TableSchema::from(schema);
        Self {
            cores,
            ahead: 1,
            reads,
            files,
            projection: SplitProjection::unprojected(&table_schema),
            table_schema,
            batch_rows,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl FileSource for ChunkSource {
    fn create_file_opener(
        &self,
        _store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        // the cores that the other partitions leave, and one slice that lies ready
        let ahead = self.cores.div_ceil(config.file_groups.len().max(1)) + 1;
        let opener: Arc<dyn FileOpener> = Arc::new(Opener { source: Self { ahead, ..self.clone() } });
        ProjectionOpener::try_new(self.projection.clone(), opener, self.table_schema.file_schema())
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { batch_rows, ..self.clone() })
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.table_schema.file_schema(), &merged);
        Ok(Some(Arc::new(Self { projection, ..self.clone() })))
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        match self.files.first().map(|file| file.media) {
            Some(Media::Csv(_)) => "csv",
            Some(Media::JsonLines) => "json lines",
            _ => "arrow",
        }
    }

    fn supports_repartitioning(&self) -> bool {
        self.files.iter().all(|file| match file.media {
            Media::Csv(dialect) => dialect.one_line_records,
            Media::JsonLines => true,
            _ => false,
        })
    }

    fn fmt_extra(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        write!(f, ", files={}", paths.join(", "))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let mut last = TreeNodeRecursion::Continue;
        for expr in self.projection.source.iter() {
            last = f(&expr.expr)?;
            if last == TreeNodeRecursion::Stop {
                break;
            }
        }
        Ok(last)
    }
}

struct Opener {
    source: ChunkSource,
}

impl FileOpener for Opener {
    fn open(&self, wanted: PartitionedFile) -> Result<FileOpenFuture> {
        let source = self.source.clone();
        Ok(Box::pin(async move {
            let at = &wanted.object_meta.location;
            let file = source.files.iter().find(|file| location(file) == *at).map(Arc::clone);
            let file = file.ok_or_else(|| ReadFault::new(at.as_ref(), "it is not a file of this query"))?;
            let range = wanted.range.as_ref().map(|range| {
                let bound = |at: i64| u64::try_from(at).unwrap_or(0);
                bound(range.start)..bound(range.end)
            });
            if let Media::Csv(dialect) = file.media
                && dialect.one_line_records
            {
                return Ok(slices(source, file, dialect, range));
            }
            let reads = source.reads.clone();
            let path = file.path.clone();
            let first = reads.clone().run(&path, move || start(&source, &file, range)).await?;
            let batches = stream::try_unfold((reads, path, first), |(reads, path, mut batches)| async move {
                let step = reads.run(&path, move || Ok((batches.next_batch()?, batches))).await;
                let (batch, batches) = step?;
                Ok(batch.map(|batch| (batch, (reads, path, batches))))
            });
            Ok(batches.boxed())
        }))
    }
}

/// Reads a file of lines slice by slice, some at a time, in order. Dropping the stream leaves at most those to finish.
fn slices(
    source: ChunkSource,
    file: Arc<ChunkFile>,
    dialect: CsvDialect,
    range: Option<Range<u64>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let (ahead, first) = (source.ahead, Arc::new(OnceLock::new()));
    let slices = Slice::cut(range.unwrap_or(0..file.size)).map(move |range| {
        let (source, file, first) = (source.clone(), Arc::clone(&file), Arc::clone(&first));
        async move {
            let (reads, path) = (source.reads.clone(), file.path.clone());
            reads.run(&path, move || read_slice(&source, file, dialect, range, &first)).await
        }
    });
    let batches = stream::iter(slices).buffered(ahead);
    batches.map_ok(|batches| stream::iter(batches.into_iter().map(Ok::<_, ReadFault>))).try_flatten().err_into().boxed()
}

/// All rows of a slice; `first` is where the first record of the file begins, once that is known.
fn read_slice(
    source: &ChunkSource,
    file: Arc<ChunkFile>,
    dialect: CsvDialect,
    range: Range<u64>,
    first: &OnceLock<u64>,
) -> Result<Vec<RecordBatch>, ReadFault> {
    let schema = source.table_schema.file_schema();
    let first = match first.get() {
        Some(first) => *first,
        None => {
            let found = Slice::first_record(&source.reads, &file)?;
            *first.get_or_init(|| found)
        }
    };
    let skip_header = dialect.header && range.contains(&first);
    let slice = Slice::new(source.reads.clone(), file, range);
    let rows = Lines::new(slice, dialect.delimiter, schema.fields().len());
    let mut reader = CsvBatches::new(rows, schema, &source.projection.file_indices, source.batch_rows, skip_header)?;
    std::iter::from_fn(|| reader.next_batch().transpose()).collect()
}

/// Makes the reader of a file, or of the lines of it that begin in `range`.
fn start(
    source: &ChunkSource,
    file: &Arc<ChunkFile>,
    range: Option<Range<u64>>,
) -> Result<Box<dyn Batches>, ReadFault> {
    let schema = source.table_schema.file_schema();
    let projection = &source.projection.file_indices;
    let rows = source.batch_rows;
    let lines = || -> Result<Range<u64>, ReadFault> {
        let Some(range) = range else { return Ok(0..file.size) };
        let mut scout = source.reads.reader(file);
        // a line belongs to the part in which it begins
        let begin = if range.start == 0 { 0 } else { scout.line_after(range.start - 1)? };
        let end = if range.end >= file.size { file.size } else { scout.line_after(range.end - 1)? };
        Ok(begin..end.max(begin))
    };
    let projected = || schema.project(projection).map(Arc::new).map_err(|error| ReadFault::new(&file.path, error));
    match file.media {
        Media::Csv(dialect) => {
            let mut reader = source.reads.reader(file);
            reader.skip_mark()?;
            let records = Tokenized::new(reader, dialect, schema.fields().len());
            Ok(Box::new(CsvBatches::new(records, schema, projection, rows, dialect.header)?))
        }
        Media::JsonLines => {
            let part = lines()?;
            let mut reader = source.reads.reader(file).within(part);
            reader.skip_mark()?;
            Ok(Box::new(JsonBatches::new(reader, projected()?, rows)?))
        }
        Media::ArrowFile | Media::ArrowStream => {
            let stream = file.media == Media::ArrowStream;
            Ok(Box::new(IpcBatches::new(source.reads.reader(file), stream, projection.clone(), projected()?)?))
        }
        Media::Parquet | Media::Other => Err(ReadFault::new(&file.path, "it is not a table of lines or batches")),
    }
}
