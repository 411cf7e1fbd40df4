//! Versions whose chunks are on other nodes: only what a query reads is asked for, once, within bounds, and a failure
//! says what to do.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use bib_query::{FetchError, QueryEngine, QueryError, QueryOptions};
use futures::{StreamExt, TryStreamExt};

use crate::binary_quirks::ipc;
use crate::parquet_files::parquet;
use crate::refusals::walk;
use crate::remote_peer::{Far, bytes_once};

const ROWS: i64 = 100_000;

/// Rows with a column that nothing packs well.
fn table() -> RecordBatch {
    let noise = |n: i64| format!("{:016x}", (n.cast_unsigned() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(noise)));
    RecordBatch::try_from_iter([("id", id), ("noise", text)]).unwrap()
}

fn csv() -> Vec<u8> {
    let mut text = String::from("id,noise\n");
    for n in 0..ROWS {
        let noise = (n.cast_unsigned() + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        writeln!(text, "{n},{noise:016x}").unwrap();
    }
    text.into_bytes()
}

fn far(file: &str, bytes: &[u8], options: QueryOptions) -> Far {
    let far = Far::new(options);
    let told = far.lab.put("data/t", &[(file, bytes)]);
    assert!(matches!(told.as_slice(), [(_, Ok(true))]), "{file} was not understood: {told:?}");
    far
}

#[tokio::test]
async fn a_selective_query_asks_for_little_and_once() {
    let bytes = parquet(&table(), 5_000);
    let far = far("t.parquet", &bytes, QueryOptions::default());
    let query = "dataset(\"data/t\").filter(r, r.id >= 50000 && r.id < 50010)";
    let stats = far.same(query).await;
    let moved = bytes_once(&far.peer.asked());
    assert_eq!(moved, stats.bytes_fetched());
    assert!(moved > 0 && moved < bytes.len() as u64 / 8, "{moved} of {} bytes moved", bytes.len());

    let again = far.same(query).await;
    assert_eq!((again.bytes_fetched(), far.peer.asked().len()), (0, 0), "it is here now");
    far.peer.refuse(Some(FetchError::Alone));
    far.same(query).await;
    let other = "dataset(\"data/t\").filter(r, r.id >= 70000 && r.id < 70010)";
    assert!(matches!(far.ask(other).await, Err(QueryError::Elsewhere { why: FetchError::Alone, .. })));
    far.peer.refuse(None);
    far.same(other).await;
    assert!(far.store.take_hurt(10).is_empty(), "what never was here is no damage");
}

#[tokio::test]
async fn every_kind_of_table_is_read_from_far() {
    let (batch, lines) = (table(), csv());
    let json: String = (0..20_000).fold(String::new(), |mut text, n| {
        writeln!(text, "{{\"id\":{n},\"in\":{{\"a\":[{n}]}}}}").unwrap();
        text
    });
    let files: [(&str, Vec<u8>); 5] = [
        ("t.csv", lines),
        ("t.jsonl", json.into_bytes()),
        ("t.parquet", parquet(&batch, 5_000)),
        ("t.arrow", ipc(&batch, false, None)),
        ("t.arrows", ipc(&batch, true, None)),
    ];
    for (file, bytes) in files {
        let far = far(file, &bytes, QueryOptions::default());
        far.same("dataset(\"data/t\").aggregate(r, {}, {\"n\": count(), \"s\": sum(r.id)})").await;
        far.same("dataset(\"data/t\").filter(r, r.id % 1000 == 7)").await;
        let moved = bytes_once(&far.peer.asked());
        assert!(moved > 0 && moved <= bytes.len() as u64, "{file}: {moved} of {} bytes moved", bytes.len());
    }
}

#[tokio::test]
async fn a_limit_ends_the_asking() {
    let bytes = csv();
    let far = far("t.csv", &bytes, QueryOptions::default());
    far.same("dataset(\"data/t\").limit(5)").await;
    let moved = bytes_once(&far.peer.asked());
    assert!(moved < bytes.len() as u64 * 3 / 4, "{moved} of {} bytes moved", bytes.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_bounded_and_readers_beside_each_other_share_them() {
    let options = QueryOptions { concurrent_fetches: 2, fetch_chunks: 16, ..QueryOptions::default() };
    let far = Far::new(options);
    let batch = table();
    let parts: Vec<(String, Vec<u8>)> = (0..6_usize)
        .map(|part| (format!("p{part}.parquet"), parquet(&batch.slice(part * 16_000, 16_000), 16_000)))
        .collect();
    let files: Vec<(&str, &[u8])> = parts.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    far.lab.put("data/t", &files);
    far.peer.shut();
    // each file twice: different chunks, and the same ones
    let queries = (0..12).map(|n| {
        let query = format!("dataset(\"data/t\", \"p{}.parquet\").filter(r, r.noise.startsWith(\"00\"))", n % 6);
        let far = &far;
        async move { far.ask(&query).await.unwrap().0.len() }
    });
    let opened = async {
        far.peer.runs(2).await;
        far.peer.gate.add_permits(1);
    };
    let (found, ()) = tokio::join!(futures::future::join_all(queries), opened);
    assert_eq!(found[..6], found[6..]);
    bytes_once(&far.peer.asked());
    assert_eq!(far.peer.most(), (2, 16));
}

#[tokio::test]
async fn a_failure_says_what_is_missing_and_what_to_do() {
    let nobody = FetchError::Nobody("node 12D3 was left".to_owned());
    let failed = FetchError::Failed("the disk is full".to_owned());
    let cases = [
        (FetchError::Alone, "no paired node is connected to give them", "bib node connect ADDRESS"),
        (nobody, "no connected node gave them (node 12D3 was left)", "bib node list"),
        (failed, "this node could not take them: the disk is full", "bib status"),
        (FetchError::Late, "the time of the query was over", "--max-time"),
    ];
    for (file, bytes) in [("t.csv", csv()), ("t.parquet", parquet(&table(), 5_000))] {
        let far = far(file, &bytes, QueryOptions::default());
        for (why, what, advice) in &cases {
            far.peer.refuse(Some(why.clone()));
            let error = far.ask("dataset(\"data/t\").count()").await.unwrap_err();
            let QueryError::Elsewhere { file: named, dataset, chunks, bytes, why: told, .. } = &error else {
                panic!("{file}: {error:?}")
            };
            assert_eq!((named.as_str(), dataset.as_str(), told), (file, "data/t", why));
            assert!(*chunks > 0 && *bytes > 0);
            let text = error.to_string();
            assert!(text.contains(what) && text.contains(advice) && text.contains(file), "{text}");
        }
    }
    let far = far("t.csv", &csv(), QueryOptions::default());
    let alone = QueryEngine::new(far.store.clone(), QueryOptions::default());
    let error = alone.query("dataset(\"data/t\")", None, None, &far.lab).await.unwrap_err();
    assert!(matches!(error, QueryError::Incomplete { .. }), "{error:?}");
}

/// Within which even a busy machine asks a peer.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_peer_that_takes_too_long_is_named_as_the_reason() {
    for (file, bytes) in [("t.csv", csv()), ("t.parquet", parquet(&table(), 5_000))] {
        let far = far(file, &bytes, QueryOptions::default());
        far.peer.shut();
        let ask = async |within: Duration| {
            let result = far.engine.query("dataset(\"data/t\")", None, Some(within), &far.lab).await?;
            result.stream.try_collect::<Vec<_>>().await
        };
        // on a busy machine the time may be over before anybody was asked, which is another error: then there is more of it
        let mut within = Duration::from_millis(400);
        let error = loop {
            match ask(within).await.unwrap_err() {
                QueryError::Timeout { .. } if within < PATIENCE => within *= 4,
                error => break error,
            }
        };
        assert!(matches!(error, QueryError::Elsewhere { why: FetchError::Late, .. }), "{file}: {error:?}");
        // nothing goes on behind it
        far.peer.runs(0).await;
    }
}

#[tokio::test]
async fn whoever_goes_away_leaves_no_call_behind() {
    let far = far("t.csv", &csv(), QueryOptions::default());
    far.peer.shut();
    let mut result = far.engine.query("dataset(\"data/t\")", None, None, &far.lab).await.unwrap();
    tokio::select! {
        _ = result.stream.next() => panic!("a row came from nowhere"),
        () = far.peer.runs(1) => {}
    }
    drop(result);
    far.peer.runs(0).await;
}

#[tokio::test]
async fn a_plan_says_how_much_is_here() {
    let bytes = parquet(&table(), 5_000);
    let far = far("t.parquet", &bytes, QueryOptions::default());
    let explain = || far.engine.explain("dataset(\"data/t\").filter(r, r.id == 1)", &far.lab);
    let first = explain().await.unwrap();
    let presence = first.presence.unwrap();
    assert!(first.bytes_fetched > 0 && first.bytes_fetched == presence.bytes_here, "{first:?}");
    assert_eq!(presence.bytes, bytes.len() as u64);
    far.same("dataset(\"data/t\")").await;
    let last = explain().await.unwrap();
    let presence = last.presence.unwrap();
    assert_eq!((presence.bytes_here, last.bytes_fetched), (presence.bytes, 0));
}

#[tokio::test]
async fn what_is_lost_of_a_whole_version_is_damage_and_comes_again() {
    let mut far = far("t.csv", &csv(), QueryOptions::default());
    far.same("dataset(\"data/t\").count()").await;
    far.lab.whole = true;
    far.peer.asked();
    let lost = walk(far.dir.path()).into_iter().find(|path| path.metadata().unwrap().len() > 4_000).unwrap();
    std::fs::remove_file(&lost).unwrap();
    far.same("dataset(\"data/t\").count()").await;
    let asked: Vec<String> = far.peer.asked().iter().map(|chunk| chunk.hash.to_string()).collect();
    let hurt: Vec<String> = far.store.take_hurt(10).iter().map(|(hash, _)| hash.to_string()).collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked, hurt, "it is recorded, too");
}
