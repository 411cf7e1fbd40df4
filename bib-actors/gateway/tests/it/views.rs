//! Pages, statistics, exports and checks through the API.

use crate::support::{Item, Node, Person, eventually, hint, run, said, upload};
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use arrow::ipc::reader::StreamReader;
use arrow::record_batch::RecordBatch;
use bib_proto::client::Client;
use bib_proto::v1::{
    CheckViewRequest, ExportRequest, GetStatisticsRequest, PageHeader, QuerySummary, ReadPageRequest, View,
    export_response, read_page_response,
};
use tonic::{Code, Status};

const TABLE: &str = "site,temp,day\nA,1.5,2013-01-01\nB,22.5,2013-01-02\nA,30,2013-01-03\n=C,,2013-01-04\n";

async fn prepared() -> (Node, Client) {
    let node = Node::start().await;
    node.topic("weather").await;
    let rosa = node.client(Person::Rosa).await;
    upload(&rosa, "weather/all", &[Item::file("w.csv", TABLE)]).await.unwrap();
    (node, rosa)
}

fn view(filter: &str, sort: &str, descending: bool) -> View {
    let expression = "dataset(\"weather/all\")".to_owned();
    View { expression, filter: filter.to_owned(), sort: sort.to_owned(), descending, columns: Vec::new() }
}

async fn page(client: &Client, view: View, offset: u64, rows: u32) -> Result<(PageHeader, Vec<RecordBatch>), Status> {
    let (header, bytes) = sent(client, view, (offset, rows), "").await?;
    let rows = StreamReader::try_new(bytes.as_slice(), None).unwrap().map(Result::unwrap).collect();
    Ok((header, rows))
}

async fn sent(
    client: &Client,
    view: View,
    (offset, rows): (u64, u32),
    etag: &str,
) -> Result<(PageHeader, Vec<u8>), Status> {
    let request =
        ReadPageRequest { view: Some(view), offset, rows, if_none_match: etag.to_owned(), ..Default::default() };
    let mut parts = client.queries().read_page(request).await?.into_inner();
    let (mut header, mut bytes) = (None, Vec::new());
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(read_page_response::Part::Header(first)) => header = Some(first),
            Some(read_page_response::Part::ArrowIpc(more)) => bytes.extend(more),
            None => {}
        }
    }
    Ok((header.unwrap(), bytes))
}

async fn export(client: &Client, view: View, format: &str) -> Result<(Vec<u8>, String, QuerySummary), Status> {
    let request = ExportRequest { view: Some(view), format: format.to_owned(), ..Default::default() };
    let mut parts = client.queries().export(request).await?.into_inner();
    let (mut bytes, mut media_type, mut summary) = (Vec::new(), String::new(), None);
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(export_response::Part::Header(header)) => media_type = header.media_type,
            Some(export_response::Part::Data(more)) => bytes.extend(more),
            Some(export_response::Part::Summary(last)) => summary = Some(last),
            None => {}
        }
    }
    Ok((bytes, media_type, summary.unwrap()))
}

#[test]
fn a_page_says_where_its_rows_stand_and_how_many_there_are() {
    run(async {
        let (node, rosa) = prepared().await;
        let (header, rows) = page(&rosa, view("r.site != \"B\"", "temp", true), 0, 2).await.unwrap();
        assert_eq!((header.matches, header.total, header.positions), (3, 4, vec![2, 0]));
        assert_eq!(rows[0].column(1).as_primitive::<Float64Type>().values(), &[30.0, 1.5]);
        assert!(header.version.starts_with("sha256:") && header.max_rows > 0 && header.elapsed_us > 0);
        assert_eq!(header.schema.unwrap().columns.len(), 3);
        let (header, rows) = page(&rosa, view("", "", false), 3, 0).await.unwrap();
        assert_eq!((header.positions, rows.len()), (vec![3], 1));
        let record = node.audited("dataset.page", "ok").await.remove(0);
        assert_eq!((record.object.as_str(), record.rows), ("weather/all", Some(2)));
        let fingerprint = record.fingerprint.unwrap_or_default();
        assert_eq!(fingerprint, "dataset(\"weather/all\") where r.site != ?");

        // however long a view is, the record has room for what its rows were chosen by
        let expression = format!("dataset(\"weather/all\").{}()", "x".repeat(5_000));
        page(&rosa, View { expression, ..view("r.site != \"B\"", "", false) }, 0, 2).await.unwrap_err();
        let fingerprint = node.audited("dataset.page", "refused").await.remove(0).fingerprint.unwrap_or_default();
        assert!(fingerprint.len() < 500 && fingerprint.ends_with("x… where r.site != ?"), "{fingerprint}");
    });
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    run(async {
        let (node, rosa) = prepared().await;
        let warm = || view("r.site != \"B\"", "temp", true);
        let (first, bytes) = sent(&rosa, warm(), (0, 2), "").await.unwrap();
        assert!(!first.etag.is_empty() && !first.not_modified && !bytes.is_empty());
        let (again, bytes) = sent(&rosa, warm(), (0, 2), &first.etag).await.unwrap();
        assert!(again.not_modified && bytes.is_empty() && again.positions.is_empty() && again.schema.is_none());
        let same = |header: &PageHeader| {
            (header.version.clone(), header.matches, header.total, header.max_rows, header.etag.clone())
        };
        assert_eq!(same(&again), same(&first));
        // recorded as any read is, with its rows
        eventually("the record of what was not sent", || async {
            let records = node.audited("dataset.page", "ok").await;
            let spared: Vec<_> =
                records.iter().filter(|record| record.metadata("not_modified") == Some("true")).collect();
            spared.len() == 1 && (spared[0].rows, spared[0].object.as_str()) == (Some(2), "weather/all")
        })
        .await;

        let (other, bytes) = sent(&rosa, warm(), (1, 2), &first.etag).await.unwrap();
        assert!(!other.not_modified && !bytes.is_empty() && other.etag != first.etag, "another window");
        let wrong = sent(&rosa, view("r.tmp > 1", "", false), (0, 2), &first.etag).await.unwrap_err();
        assert_eq!(said(&wrong).1, "INVALID_EXPRESSION");
        let nobody = sent(&node.anonymous().await, warm(), (0, 2), &first.etag).await.unwrap_err();
        assert_eq!(said(&nobody).1, "NOT_LOGGED_IN");

        let statistics = |etag: String| {
            let request = GetStatisticsRequest { view: Some(warm()), timeout_ms: 0, if_none_match: etag };
            let rosa = &rosa;
            async move { rosa.queries().get_statistics(request).await.unwrap().into_inner() }
        };
        let found = statistics(String::new()).await;
        assert_eq!((found.columns.len(), found.not_modified), (3, false));
        let again = statistics(found.etag.clone()).await;
        assert_eq!((again.columns.len(), again.not_modified, again.rows), (0, true, found.rows));
        assert!(!statistics(first.etag.clone()).await.not_modified, "the name of a page");

        // a new version is another answer, also where the view does not name one
        upload(&rosa, "weather/all", &[Item::file("w.csv", format!("{TABLE}D,99,2013-01-05\n"))]).await.unwrap();
        let (newer, bytes) = sent(&rosa, warm(), (0, 2), &first.etag).await.unwrap();
        assert!(!newer.not_modified && !bytes.is_empty());
        assert_eq!((newer.matches, newer.version == first.version), (4, false));
        assert!(!statistics(found.etag).await.not_modified);
    });
}

#[test]
fn mistakes_name_their_part_and_place() {
    run(async {
        let (node, rosa) = prepared().await;
        let wrong = page(&rosa, view("r.tmp > 20.0", "", false), 0, 10).await.unwrap_err();
        assert_eq!(said(&wrong), (Code::InvalidArgument, "INVALID_EXPRESSION".into()));
        assert!(hint(&wrong).contains("temp"), "{}", hint(&wrong));
        use tonic_types::StatusExt;
        let info = wrong.get_error_details().error_info().unwrap().metadata.clone();
        assert_eq!((info["part"].as_str(), info["column"].as_str(), info["width"].as_str()), ("filter", "3", "3"));
        assert!(info["what"].contains("tmp"), "{info:?}");
        let wrong = page(&rosa, view("", "tmep", false), 0, 10).await.unwrap_err();
        assert_eq!(said(&wrong), (Code::InvalidArgument, "COLUMN_UNUSABLE".into()));
        node.audited("dataset.page", "refused").await;

        let check = |view: View| {
            let rosa = &rosa;
            async move { rosa.queries().check_view(CheckViewRequest { view: Some(view) }).await.unwrap().into_inner() }
        };
        let mistake = check(view("r.temp > 20 and true", "", false)).await.mistake.unwrap();
        assert_eq!((mistake.part.as_str(), mistake.line, mistake.column), ("filter", 1, 13), "{mistake:?}");
        assert!(mistake.suggestion.contains("&&"));
        assert_eq!(check(view("", "nowhere", false)).await.mistake.unwrap().part, "column");
        let fine = check(view("r.temp > 20", "", false)).await;
        assert!(fine.mistake.is_none() && fine.schema.unwrap().columns.len() == 3);
        assert!(fine.limits.unwrap().max_rows > 0 && check(View::default()).await.limits.is_some());
        node.audited("dataset.check", "ok").await;
        let nothing = rosa.queries().check_view(CheckViewRequest::default()).await.unwrap_err();
        assert_eq!(said(&nothing).1, "BAD_REQUEST");
    });
}

#[test]
fn statistics_come_with_conditions() {
    run(async {
        let (node, rosa) = prepared().await;
        let request = GetStatisticsRequest { view: Some(view("", "", false)), ..Default::default() };
        let found = rosa.queries().get_statistics(request).await.unwrap().into_inner();
        assert_eq!((found.rows, found.columns.len(), found.columns_left), (4, 3, 0));
        let temp = &found.columns[1];
        assert_eq!((temp.r#type.as_str(), temp.nulls, temp.nulls_filter.as_str()), ("double", 1, "r.temp == null"));
        assert_eq!((temp.min.as_deref(), temp.max.as_deref()), (Some("1.5"), Some("30")));
        assert_eq!(temp.bins.iter().map(|bar| bar.count).sum::<u64>(), 3);
        let site = &found.columns[0];
        assert_eq!((site.distinct, site.distinct_exact), (Some(3), true));
        assert_eq!((site.top_values[0].from.as_str(), site.top_values[0].filter.as_str()), ("A", "r.site == \"A\""));
        node.audited("dataset.statistics", "ok").await;
    });
}

#[test]
fn exports_are_files() {
    run(async {
        let (node, rosa) = prepared().await;
        let by_temp = || view("r.site != \"B\"", "temp", true);
        let (csv, media, summary) = export(&rosa, by_temp(), "csv").await.unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert_eq!(csv, "site,temp,day\nA,30.0,2013-01-03\nA,1.5,2013-01-01\n=C,,2013-01-04\n");
        assert!(media.starts_with("text/csv") && summary.rows == 3);
        let (csv, _, _) = export(&rosa, by_temp(), "spreadsheet-csv").await.unwrap();
        assert!(String::from_utf8(csv).unwrap().contains("'=C,,"));
        let (lines, _, _) = export(&rosa, by_temp(), "jsonl").await.unwrap();
        assert!(
            String::from_utf8(lines).unwrap().ends_with("{\"site\":\"=C\",\"temp\":null,\"day\":\"2013-01-04\"}\n")
        );
        // what was exported comes in again as the same table
        let (parquet, _, _) = export(&rosa, by_temp(), "parquet").await.unwrap();
        upload(&rosa, "weather/copy", &[Item::file("w.parquet", parquet)]).await.unwrap();
        let copy = View { expression: "dataset(\"weather/copy\")".to_owned(), ..view("", "", false) };
        let (header, rows) = page(&rosa, copy, 0, 10).await.unwrap();
        assert_eq!((header.total, rows[0].column(1).as_primitive::<Float64Type>().value(0)), (3, 30.0));
        let bad = export(&rosa, by_temp(), "xls").await.unwrap_err();
        assert_eq!(said(&bad), (Code::InvalidArgument, "BAD_FORMAT".into()));
        let record = node.audited("dataset.export", "ok").await.remove(0);
        assert_eq!(record.rows, Some(3));
    });
}

#[test]
fn many_pages_at_once_wait_for_their_turn_and_readers_get_none() {
    run(async {
        let node = Node::with(|options| options.transfers.queries = 1).await;
        node.topic("weather").await;
        let rosa = node.client(Person::Rosa).await;
        upload(&rosa, "weather/all", &[Item::file("w.csv", TABLE)]).await.unwrap();
        let pages = (0..12).map(|_| page(&rosa, view("r.temp > 2", "temp", false), 0, 10));
        for found in futures::future::join_all(pages).await {
            assert_eq!(found.unwrap().0.matches, 2);
        }
        let anonymous = node.anonymous().await;
        let refused = page(&anonymous, view("", "", false), 0, 10).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        eventually("the places are free again", || async { export(&rosa, view("", "", false), "csv").await.is_ok() })
            .await;
    });
}

#[test]
fn a_page_out_of_memory_is_recorded_and_refused_as_any_other() {
    run(async {
        let (node, rosa) = prepared().await;
        let (parquet, _, _) = export(&rosa, view("", "", false), "parquet").await.unwrap();
        upload(&rosa, "weather/packed", &[Item::file("w.parquet", parquet)]).await.unwrap();
        let packed = || View { expression: "dataset(\"weather/packed\")".to_owned(), ..view("", "", false) };
        let narrow = View { filter: "r.temp > 2".to_owned(), ..packed() };
        for view in [packed(), narrow] {
            let cold = page(&rosa, view.clone(), 0, 10).await.unwrap();
            assert!(cold.0.bytes_read > 0);
            for _ in 0..2 {
                let warm = page(&rosa, view.clone(), 0, 10).await.unwrap();
                assert_eq!((&warm.1, warm.0.bytes_read), (&cold.1, 0));
                assert_eq!((warm.0.positions, warm.0.matches), (cold.0.positions.clone(), cold.0.matches));
            }
        }
        let all = || async {
            let mut all = node.records().await;
            all.retain(|record| record.action == "dataset.page");
            all
        };
        eventually("each page has two records", || async { all().await.len() == 12 }).await;
        let records = all().await;
        for outcome in ["intent", "ok"] {
            let mut found: Vec<_> = records.iter().filter(|record| record.outcome.as_str() == outcome).collect();
            assert_eq!(found.len(), 6, "{outcome}");
            for (first, others) in [found.split_off(3), found].iter().filter_map(|some| some.split_first()) {
                for other in others {
                    assert_eq!((&other.object, &other.fingerprint), (&first.object, &first.fingerprint));
                    assert_eq!((&other.actor, other.rows, &other.role), (&first.actor, first.rows, &first.role));
                }
            }
        }
        let anonymous = node.anonymous().await;
        assert_eq!(page(&anonymous, packed(), 0, 10).await.unwrap_err().code(), Code::Unauthenticated);
        node.audited("call.refuse", "refused").await;
    });
}
