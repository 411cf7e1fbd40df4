//! Files that would fill the memory of who reads them carelessly. Peak memory belongs to a process, so each of these
//! tests runs itself once more, alone.

use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use bib_query::{QueryError, View};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::support::Lab;

const CHILD: &str = "BIB_TEST_BOUNDS_CHILD";

/// Makes a file, and has `work` take it in a process of its own, whose memory must not grow by more than `most` MiB over
/// the file, which the tests' writer takes from memory.
fn alone(name: &str, most: u64, make: impl FnOnce() -> Vec<u8>, work: impl AsyncFnOnce(&[u8])) {
    let Some(path) = std::env::var_os(CHILD) else {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), make()).unwrap();
        let name = format!("bounds::{name}");
        let mut child = Command::new(std::env::current_exe().unwrap());
        let child = child.args(["--exact", &name]).env(CHILD, file.path()).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"), "no test is called {name}");
        return;
    };
    let bytes = std::fs::read(path).unwrap();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work(&bytes));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let peak: u64 = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10;
    let allowed = most + (bytes.len() >> 20) as u64;
    assert!(peak < allowed, "{peak} MiB were in use, {allowed} are allowed");
}

/// Reads all rows batch by batch, as a download of a result does; tells how many.
async fn count(lab: &Lab, expression: &str) -> Result<usize, QueryError> {
    let mut stream = lab.engine.query(expression, None, None, lab).await?.stream;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

#[test]
fn a_record_of_nothing_but_commas() {
    let make = || {
        let mut bytes = b"a,b\n1,2\n".to_vec();
        bytes.resize(15 << 20, b',');
        bytes
    };
    alone("a_record_of_nothing_but_commas", 448, make, async |bytes| {
        for bytes in [bytes, &vec![b','; 20 << 20]] {
            let told = Lab::new().put("data/t", &[("t.csv", bytes)]).remove(0);
            assert!(told.1.is_err(), "{told:?}");
        }
    });
}

#[test]
fn rows_of_fifteen_megabytes() {
    let make = || format!("a,b\n{}", format!("{},1\n", "x".repeat(15 << 20)).repeat(7)).into_bytes();
    alone("rows_of_fifteen_megabytes", 400, make, async |bytes| {
        let lab = Lab::one("t.csv", bytes);
        assert_eq!(count(&lab, "dataset(\"data/t\")").await.unwrap(), 7);
    });
}

#[test]
fn thousands_of_columns_and_rows() {
    let make = || {
        let names: Vec<String> = (0..5_000).map(|n| format!("c{n}")).collect();
        let row = (0..5_000).map(|n| (n % 7).to_string()).collect::<Vec<_>>().join(",");
        format!("{}\n{}", names.join(","), (row + "\n").repeat(3_000)).into_bytes()
    };
    alone("thousands_of_columns_and_rows", 400, make, async |bytes| {
        let lab = Lab::one("t.csv", bytes);
        assert_eq!(count(&lab, "dataset(\"data/t\")").await.unwrap(), 3_000);
    });
}

#[test]
fn parquet_pages_that_unpack_to_gigabytes() {
    let make = || {
        let zeros: ArrayRef = Arc::new(StringArray::from(vec!["0".repeat(90 << 20)]));
        let columns = (0..12).map(|n| (format!("c{n}"), Arc::clone(&zeros)));
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .set_statistics_enabled(EnabledStatistics::None)
            .build();
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        out
    };
    alone("parquet_pages_that_unpack_to_gigabytes", 400, make, async |bytes| {
        assert!(bytes.len() < 1 << 20, "a bomb is small");
        let lab = Lab::one("t.parquet", bytes);
        let error = count(&lab, "dataset(\"data/t\")").await.unwrap_err().to_string();
        assert!(error.contains("when they are unpacked, and 768 are allowed; choose fewer columns"), "{error}");
        // one of the columns is within the bound
        assert_eq!(count(&lab, "dataset(\"data/t\").filter(r, size(r.c3) > 5).count()").await.unwrap(), 1);
    });
}

#[test]
fn a_parquet_footer_that_never_ends() {
    let make = || {
        let mut bytes = b"PAR1".to_vec();
        bytes.resize(80 << 20, 0x19);
        bytes.extend_from_slice(&((80_u32 << 20) - 4).to_le_bytes());
        bytes.extend_from_slice(b"PAR1");
        bytes
    };
    alone("a_parquet_footer_that_never_ends", 256, make, async |bytes| {
        let told = Lab::new().put("data/t", &[("t.parquet", bytes)]).remove(0);
        let message = told.1.unwrap_err().to_string();
        assert!(message.contains("its footer is 79 MiB long and at most 64 fit"), "{message}");
    });
}

#[test]
fn readers_at_many_places_of_a_wide_table() {
    const GROUP: i64 = 16_384;
    const GROUPS: i64 = 24;
    let make = || {
        // blocks of 8 MiB, each of which takes little room in the file
        let column =
            |n: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..GROUP).map(|row| row / 64 + n))) };
        let batch = RecordBatch::try_from_iter((0..64).map(|n| (format!("c{n}"), column(n)))).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(usize::try_from(GROUP).unwrap()))
            .build();
        let mut out = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut out, batch.schema(), Some(properties)).unwrap();
        (0..GROUPS).for_each(|_| writer.write(&batch).unwrap());
        writer.close().unwrap();
        out
    };
    alone("readers_at_many_places_of_a_wide_table", 400, make, async |bytes| {
        assert!(bytes.len() < 16 << 20, "{} bytes", bytes.len());
        let lab = Lab::one("t.parquet", bytes);
        let view = View::of("dataset(\"data/t\")");
        // as many at once as the gateway lets in, over more rows than are kept, twice
        for round in 0..2 {
            let pages = (0..GROUPS).map(|group| {
                let (engine, lab, view) = (&lab.engine, &lab, &view);
                let offset = u64::try_from((group * 7 + round) % GROUPS * GROUP + 5).unwrap();
                async move { engine.page(view, offset, 100, None, lab).await.map(|page| (offset, page)) }
            });
            let pages: Vec<_> = futures::stream::iter(pages).buffer_unordered(8).collect().await;
            for page in pages {
                let (offset, page) = page.unwrap();
                assert_eq!(page.positions, (offset..offset + 100).collect::<Vec<_>>());
                let first: &Int64Array = page.batches[0].column(3).as_primitive();
                assert_eq!(first.value(0), i64::try_from(offset).unwrap() % GROUP / 64 + 3);
            }
        }
    });
}
