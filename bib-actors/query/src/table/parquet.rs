//! Reading Parquet pages, with a look at each before it is unpacked: a few bytes may claim or hold gigabytes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetFileReaderFactory};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

use super::fault::ReadFault;
use super::file::ChunkFile;
use super::pages::{PageProblem, largest};
use super::reads::Reads;

/// Bytes of a footer. What it becomes in memory is some tens of times as much.
const MAX_FOOTER: u64 = 64 << 20;

/// Refuses a file whose footer is longer than the file or than anyone could want.
pub(super) async fn check_footer(reads: &Reads, file: &Arc<ChunkFile>) -> std::result::Result<(), ReadFault> {
    let tail = file.size.saturating_sub(8)..file.size;
    let tail = reads.ranges(file, std::iter::once(tail).collect()).await?.pop().unwrap_or_default();
    footer_length(file.size, &tail).map(|_| ()).map_err(|detail| ReadFault::new(&file.path, detail))
}

/// The length of the footer, from the last eight bytes of a file of `size` bytes.
pub(crate) fn footer_length(size: u64, tail: &[u8]) -> std::result::Result<u64, String> {
    let [a, b, c, d, b'P', b'A', b'R', b'1'] = *tail else {
        return Err("it does not end as a Parquet file does, so it was cut off; copy or write it again".to_owned());
    };
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length + 12 > size {
        return Err(format!(
            "its footer says that it is {length} bytes long, and the file has {size}; the file was cut off or changed; \
             write it again"
        ));
    }
    if length > MAX_FOOTER {
        return Err(format!(
            "its footer is {} MiB long and at most {} fit; write it again with fewer and larger row groups",
            length >> 20,
            MAX_FOOTER >> 20
        ));
    }
    Ok(length)
}

/// Makes readers that look at pages first.
#[derive(Debug)]
pub(super) struct CarefulFactory {
    inner: CachedParquetFileReaderFactory,
    most: u64,
}

impl CarefulFactory {
    /// `most` bounds the bytes of the pages that are unpacked at once.
    pub(super) fn new(inner: CachedParquetFileReaderFactory, most: u64) -> Self {
        Self { inner, most }
    }
}

impl ParquetFileReaderFactory for CarefulFactory {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let name = file.object_meta.location.filename().unwrap_or_default().to_owned();
        let inner = self.inner.create_reader(partition, file, hint, metrics)?;
        Ok(Box::new(Careful { inner, name, columns: Vec::new(), most: self.most }))
    }
}

struct Careful {
    inner: Box<dyn AsyncFileReader + Send>,
    name: String,
    /// Where the pages of each column begin and end, in order, and how they are packed.
    columns: Vec<(Range<u64>, Compression)>,
    most: u64,
}

impl Careful {
    /// Looks at what was read, as far as it is pages; the largest page of each column is in memory at one time.
    fn check(&self, ranges: &[Range<u64>], parts: &[Bytes]) -> Result<()> {
        let mut left = self.most;
        let mut last = None;
        let mut counted = 0;
        for (range, bytes) in ranges.iter().zip(parts) {
            let at = self.columns.partition_point(|(column, _)| column.end <= range.start);
            let Some((column, codec)) = self.columns.get(at).filter(|(column, _)| column.start <= range.start) else {
                continue;
            };
            let page = largest(bytes, *codec, self.most).map_err(|problem| self.refuse(&problem))?;
            // several runs of one column are unpacked one after the other
            if last.as_ref() != Some(column) {
                counted = 0;
            }
            let more = page.saturating_sub(counted);
            (counted, last) = (counted.max(page), Some(column.clone()));
            left = left
                .checked_sub(more)
                .ok_or_else(|| self.refuse(&PageProblem::TooLarge { bytes: self.most - left + more }))?;
        }
        Ok(())
    }

    fn refuse(&self, problem: &PageProblem) -> ParquetError {
        let detail = match problem {
            PageProblem::TooLarge { bytes } => format!(
                "its pages take {} MiB of memory at once when they are unpacked, and {} are allowed; choose fewer \
                 columns, or write it again with smaller pages",
                bytes >> 20,
                self.most >> 20
            ),
            PageProblem::Damaged(why) => {
                format!("its structure is damaged ({why}); make the file again and publish it")
            }
        };
        ParquetError::External(Box::new(ReadFault::new(&self.name, detail)))
    }
}

impl AsyncFileReader for Careful {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let bytes = self.inner.get_bytes(range.clone()).await?;
            self.check(&[range], std::slice::from_ref(&bytes))?;
            Ok(bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            let parts = self.inner.get_byte_ranges(ranges.clone()).await?;
            self.check(&ranges, &parts)?;
            Ok(parts)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.inner.get_metadata(options).await?;
            self.columns =
                metadata.row_groups().iter().flat_map(|group| group.columns()).filter_map(pages_of).collect();
            self.columns.sort_by_key(|(column, _)| column.start);
            Ok(metadata)
        }
        .boxed()
    }
}

/// Where a column's pages are; none where its numbers make no sense, which reading them then finds.
fn pages_of(column: &parquet::file::metadata::ColumnChunkMetaData) -> Option<(Range<u64>, Compression)> {
    let first = column.dictionary_page_offset().unwrap_or(i64::MAX).min(column.data_page_offset());
    let start = u64::try_from(first).ok()?;
    let end = start.checked_add(u64::try_from(column.compressed_size()).ok()?)?;
    Some((start..end, column.compression()))
}
