//! `query-remote`: a selective query on a version that is on another node only: the share of its bytes that move, and
//! the time beside copying the file first.

use super::query::{ROWS, batches};
use super::{Pair, float};
use crate::context::Ctx;
use crate::measure::{in_turn, seconds};
use crate::peers::duckdb::DuckDb;
use crate::report::{Better, NO_GOAL, Row};
use anyhow::ensure;
use arrow::array::RecordBatch;
use bib_node_tests::Node;
use bib_proto::client::{Address, Client, ClientOptions, Trust, TrustStore};
use std::path::PathBuf;

/// Rows that the query finds.
const FOUND: usize = 101;
/// Per cent of the bytes that may move.
const MOST: f64 = 5.0;

/// Fresh content in each round, so that nothing of it was here before.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let pair = Pair::new()?;
    let count = ctx.size(ROWS, 100_000);
    let duckdb = DuckDb::start(ctx, &pair.path(""), count, false)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let address = Address::Unix(pair.second.data_dir().join("run/bib.sock"));
    let store = TrustStore::at(pair.path("unused"));
    let client = runtime.block_on(Client::connect(&address, &store, Trust::KnownOnly, ClientOptions::default()))?;

    let ask = |topic: &str, first: usize| {
        let last = first + FOUND - 1;
        let query = format!(r#"dataset("{topic}/data").filter(r, r.id >= {first} && r.id <= {last})"#);
        let found = runtime.block_on(batches(&client, &query))?;
        let rows: usize = found.iter().map(RecordBatch::num_rows).sum();
        ensure!(rows == FOUND, "{rows} rows instead of {FOUND}");
        Ok(())
    };
    // the table of the other rows with other values; ids begin elsewhere, since they would be the same bytes otherwise
    let publish = |topic: &str, seed: usize| -> anyhow::Result<(usize, usize)> {
        let (path, begin) = (pair.path(&format!("{topic}.parquet")), seed * 1_000_000_000);
        duckdb.ask(&format!(
            "copy (select id + {begin} as id, (hash(id + {begin}) % 1000)::int as a, (hash(id * 7 + {begin}) % 10)::int as b, \
             (hash(id * 13 + {begin}) % 1000000) / 1e6 as f, 'site_' || (hash(id * 17 + {begin}) % 50) as s from TABLE) \
             to '{}' (format parquet, compression zstd, row_group_size 122880)",
            path.display()
        ))?;
        pair.publish(&path, topic)?;
        let bytes = usize::try_from(std::fs::metadata(&path)?.len())?;
        std::fs::remove_file(path)?;
        Ok((bytes, begin + count / 2))
    };
    let table = in_turn(
        ctx,
        vec![
            Box::new(|round| {
                let topic = format!("far{round}");
                let (bytes, first) = publish(&topic, 2 * round + 1)?;
                let before = stored(&pair.second)?;
                let ((), took) = seconds(|| ask(&topic, first))?;
                let moved = stored(&pair.second)? - before;
                ensure!(moved > 0, "nothing moved, so all of it was there before");
                Ok(vec![float(moved) * 100.0 / float(bytes), took * 1e3])
            }),
            Box::new(|round| {
                let topic = format!("copy{round}");
                let (_, first) = publish(&topic, 2 * round + 2)?;
                let ((), took) = seconds(|| {
                    pair.fetch(&topic)?;
                    ask(&topic, first)
                })?;
                Ok(vec![100.0, took * 1e3])
            }),
        ],
    )?;
    let row = format!("{} rows, {FOUND} found by their id", float(count));
    Ok(vec![
        Row::new("query-remote", "bound", "%", Better::Lower, 1.0, table.bound(0, MOST)).exact().remark(row),
        Row::new("query-remote.time", "copy first", "ms", Better::Lower, NO_GOAL, table.beside(1, 1))
            .remark("the peer subscribes, waits for all of it and asks then"),
    ])
}

/// Bytes of all chunks that a node has.
fn stored(node: &Node) -> anyhow::Result<usize> {
    let mut folders: Vec<PathBuf> = vec![node.data_dir().join("blobs")];
    let mut sum = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                if entry.file_name() != "tmp" {
                    folders.push(entry.path());
                }
            } else if entry.file_name().len() == 64 {
                sum += usize::try_from(entry.metadata()?.len())?;
            }
        }
    }
    Ok(sum)
}
