//! Pages of a Parquet table as it is: rows are unpacked in blocks, which are kept, and a page is cut out of them. Owns
//! how a table is divided into blocks.
//!
//! The values of a column lie packed in pages of their own, often as large as a row group, and a row in such a page
//! costs the unpacking of all of it. So a block is the row group, or a part of it where that is large. It is only a way
//! to be fast: where a block cannot be read, the page is read alone, and that says what is wrong.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use datafusion::datasource::physical_plan::parquet::metadata::CachedParquetMetaData;
use parquet::basic::Type;
use parquet::file::metadata::ParquetMetaData;

use crate::engine::{QueryEngine, Target};
use crate::error::QueryError;
use crate::memory::Weighed;
use crate::page::{Kept, PageKey, compact};
use crate::purpose::Purpose;
use crate::stream::Cost;
use crate::table::{ChunkFile, Media, location, open_table};
use crate::view::{Asked, View};

/// Rows of a block at least. Tables with smaller row groups are read row group by row group at little cost as it is.
const LEAST_ROWS: u64 = 1_024;
/// Rows of a block where the file says in which page a row is: pages beside it need not be unpacked then.
const INDEXED_ROWS: u64 = 16_384;
/// The part of the kept rows that one block may take: several readers go to several places.
const SHARE: usize = 8;

/// The blocks of a table.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Where each block begins, and at last the end of the table.
    bounds: Vec<u64>,
    /// Set when a block turned out larger than it seemed: pages are read alone then.
    alone: AtomicBool,
}

impl Layout {
    fn rows(&self) -> u64 {
        self.bounds.last().copied().unwrap_or_default()
    }

    /// The blocks in which these rows are.
    fn blocks(&self, rows: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.bounds.partition_point(|bound| *bound <= rows.start).saturating_sub(1);
        let end = rows.end;
        let blocks = self.bounds[first..].windows(2).map(|bounds| bounds[0]..bounds[1]);
        blocks.take_while(move |block| block.start < end)
    }
}

impl Weighed for Option<Arc<Layout>> {
    fn bytes(&self) -> usize {
        self.as_ref().map_or(0, |layout| size_of::<Layout>() + layout.bounds.capacity() * size_of::<u64>())
    }
}

/// What is known of a row group from the footer.
#[derive(Debug, Clone)]
struct Group {
    rows: u64,
    /// Its bytes in memory, more or less.
    bytes: u64,
    /// Whether the file says which rows are in which page.
    indexed: bool,
}

impl QueryEngine {
    /// The page of a whole table out of its blocks; none when it has none.
    pub(crate) async fn page_of_blocks(
        &self,
        asked: &Asked,
        view: &View,
        target: &Target,
        rows: Range<u64>,
        cost: &mut Cost,
    ) -> Option<Arc<Kept>> {
        let make = Box::pin(self.layout(asked, target));
        let key = PageKey::whole(target.manifest.id(), &View::of(&view.expression))?;
        let layout = self.shared.layouts.get_or(key, make).await.ok()??;
        if rows.start >= layout.rows() || layout.alone.load(Ordering::Relaxed) {
            return None;
        }
        let rows = rows.start..rows.end.min(layout.rows());
        let mut page: Option<Kept> = None;
        for block in layout.blocks(&rows) {
            let key = PageKey::part(target.manifest.id(), view, block.clone())?;
            let make = Box::pin(self.block(asked, view, target, block.clone(), cost));
            let made = match self.shared.pages.get_or(key, make).await {
                Ok(made) => made,
                Err(error) => {
                    if matches!(error, QueryError::Limit { .. }) {
                        layout.alone.store(true, Ordering::Relaxed);
                    }
                    return None;
                }
            };
            let wanted = rows.start.max(block.start)..rows.end.min(block.end);
            let from = usize::try_from(wanted.start - block.start).ok()?;
            let count = usize::try_from(wanted.end - wanted.start).ok()?;
            let all = made.batches.first().filter(|all| all.num_rows() >= from + count)?;
            let batch = compact(&all.slice(from, count)).ok()?;
            let page =
                page.get_or_insert_with(|| Kept { batches: Vec::new(), positions: Vec::new(), ..(*made).clone() });
            page.batches.push(batch);
            page.positions.extend(wanted);
        }
        page.map(|page| Arc::new(Kept { matches: layout.rows(), total: layout.rows(), ..page }))
    }

    async fn block(
        &self,
        asked: &Asked,
        view: &View,
        target: &Target,
        block: Range<u64>,
        cost: &mut Cost,
    ) -> Result<Arc<Kept>, QueryError> {
        let count = block.end - block.start;
        let purpose = Purpose::Window { first: block.start, rows: count };
        let prepared = Box::pin(self.prepare(asked, view, target, purpose)).await?;
        let left_out = prepared.left_out;
        let counters = Arc::clone(prepared.reads.counters());
        let (skip, count) = (usize::try_from(block.start - left_out), usize::try_from(count));
        let (skip, count) = (skip.unwrap_or(usize::MAX), count.unwrap_or(usize::MAX));
        let read = Box::pin(self.collect(prepared, skip, count, self.block_bytes())).await;
        cost.add(&counters);
        let (schema, batches, _) = read?;
        let joined = arrow::compute::concat_batches(&schema, &batches);
        let batch: RecordBatch = joined.map_err(|error| QueryError::Internal(error.to_string()))?;
        Ok(Arc::new(Kept { schema, batches: vec![batch], positions: Vec::new(), matches: 0, total: 0 }))
    }

    /// Bytes of a block at most.
    fn block_bytes(&self) -> usize {
        self.shared.options.page_bytes.min(self.shared.options.page_cache_bytes / SHARE)
    }

    /// How the table is divided; none when it is no Parquet table, or one that is read quickly without blocks.
    async fn layout(&self, asked: &Asked, target: &Target) -> Result<Option<Arc<Layout>>, QueryError> {
        let files = self.files(&asked.query, target)?;
        if files.iter().any(|file| file.media != Media::Parquet) {
            return Ok(None);
        }
        let (reads, _alive) = self.reads(target);
        let state = self.session(&reads, &files, 1, self.shared.options.batch_rows)?;
        // reads the footers, which stay known
        let dataset = &target.manifest.manifest().dataset;
        let (schemas, options) = (&self.shared.schemas, &self.shared.options);
        let opened = open_table(&state, &reads, schemas, dataset, files.clone(), options).await;
        opened.map_err(|refusal| refusal.of(&asked.query))?;
        let groups = files.iter().map(|file| self.groups(file)).collect::<Option<Vec<_>>>();
        let most = u64::try_from(self.block_bytes()).unwrap_or(u64::MAX);
        Ok(groups.and_then(|groups| divide(&groups.concat(), most)).map(Arc::new))
    }

    /// The row groups of a file, if its footer agrees with what was counted when it came in.
    fn groups(&self, file: &ChunkFile) -> Option<Vec<Group>> {
        let cached = self.shared.footers.get(&location(file))?;
        let footer = cached.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()?;
        let groups = groups_of(footer.parquet_metadata())?;
        let told = file.schema.as_ref()?.rows?;
        (groups.iter().map(|group| group.rows).sum::<u64>() == told).then_some(groups)
    }
}

fn groups_of(footer: &ParquetMetaData) -> Option<Vec<Group>> {
    let indexed = footer.offset_index().is_some_and(|index| !index.is_empty());
    let group = |group: &parquet::file::metadata::RowGroupMetaData| {
        let rows = u64::try_from(group.num_rows()).ok()?;
        let width = |column: &parquet::file::metadata::ColumnChunkMetaData| match column.column_type() {
            Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY | Type::INT96 => 16,
            _ => 8,
        };
        let least = group.columns().iter().map(width).fold(0_u64, u64::saturating_add).saturating_mul(rows);
        let unpacked = u64::try_from(group.total_byte_size()).ok()?;
        Some(Group { rows, bytes: least.max(unpacked), indexed })
    };
    footer.row_groups().iter().map(group).collect()
}

/// Blocks of `most` bytes at most, as far as the footers tell.
fn divide(groups: &[Group], most: u64) -> Option<Layout> {
    let mut bounds = vec![0];
    for group in groups.iter().filter(|group| group.rows > 0) {
        let row = group.bytes.div_ceil(group.rows).max(1);
        let fit = if group.indexed { (most / row).min(INDEXED_ROWS) } else { most / row };
        if fit < LEAST_ROWS {
            return None;
        }
        let parts = group.rows.div_ceil(fit);
        let begin = bounds.last().copied().unwrap_or_default();
        bounds.extend((1..=parts).map(|part| begin + group.rows * part / parts));
    }
    let (rows, blocks) = (bounds.last().copied()?, bounds.len() as u64 - 1);
    (blocks > 0 && (blocks == 1 || rows / blocks >= LEAST_ROWS))
        .then(|| Layout { bounds, alone: AtomicBool::new(false) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(rows: u64, bytes: u64, indexed: bool) -> Group {
        Group { rows, bytes, indexed }
    }

    #[test]
    fn blocks_are_row_groups_or_parts_of_them() {
        let bounds = |groups: &[Group], most| divide(groups, most).map(|layout| layout.bounds);
        let usual = [group(10_000, 400_000, false), group(0, 0, false), group(5_000, 200_000, false)];
        assert_eq!(bounds(&usual, 1 << 20), Some(vec![0, 10_000, 15_000]));
        assert_eq!(bounds(&usual, 200_000), Some(vec![0, 5_000, 10_000, 15_000]));
        assert_eq!(bounds(&usual, 40_000), None, "rows too wide for a block");
        assert_eq!(bounds(&[group(40_000, 400_000, true)], 1 << 20), Some(vec![0, 13_333, 26_666, 40_000]));
        assert_eq!(bounds(&[group(100, 100, false), group(100, 100, false)], 1 << 20), None, "small as it is");
        assert_eq!((bounds(&[], 1 << 20), bounds(&[group(9, 1, false)], 1 << 20)), (None, Some(vec![0, 9])));
    }

    #[test]
    fn a_page_lies_in_one_block_or_two() {
        let layout = divide(&[group(2_000, 1, false), group(2_000, 1, false)], 1 << 20).unwrap();
        let blocks = |rows: Range<u64>| layout.blocks(&rows).map(|block| (block.start, block.end)).collect::<Vec<_>>();
        assert_eq!(blocks(0..100), [(0, 2_000)]);
        assert_eq!(blocks(1_950..2_050), [(0, 2_000), (2_000, 4_000)]);
        assert_eq!(blocks(2_000..2_001), [(2_000, 4_000)]);
        assert_eq!(blocks(3_999..4_000), [(2_000, 4_000)]);
    }
}
