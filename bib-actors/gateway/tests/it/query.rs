//! Queries through the API.

use crate::support::{Item, Node, Person, hint, run, said, upload};
use arrow::ipc::reader::StreamReader;
use bib_proto::client::Client;
use bib_proto::v1::query_response::Part;
use bib_proto::v1::{ExplainRequest, QueryHeader, QueryRequest, QuerySummary};
use tonic::{Code, Status};

const TABLE: &str = "site,temp,day\nA,1.5,2013-01-01\nB,22.5,2013-01-02\nA,30,2013-01-03\n";

async fn prepared() -> (Node, Client) {
    let node = Node::start().await;
    node.topic("weather").await;
    let rosa = node.client(Person::Rosa).await;
    upload(&rosa, "weather/all", &[Item::file("w.csv", TABLE)]).await.unwrap();
    (node, rosa)
}

async fn query(client: &Client, request: QueryRequest) -> Result<(QueryHeader, usize, QuerySummary), Status> {
    let mut parts = client.queries().query(request).await?.into_inner();
    let (mut header, mut bytes, mut summary) = (None, Vec::new(), None);
    while let Some(message) = parts.message().await? {
        match message.part {
            Some(Part::Header(first)) => header = Some(first),
            Some(Part::ArrowIpc(more)) => bytes.extend(more),
            Some(Part::Summary(last)) => summary = Some(last),
            None => {}
        }
    }
    let rows = StreamReader::try_new(bytes.as_slice(), None).unwrap().map(|batch| batch.unwrap().num_rows()).sum();
    Ok((header.unwrap(), rows, summary.unwrap()))
}

fn ask(expression: &str) -> QueryRequest {
    QueryRequest { expression: expression.to_owned(), ..Default::default() }
}

#[test]
fn rows_come_with_their_schema_versions_and_summary() {
    run(async {
        let (_node, rosa) = prepared().await;
        let filter = r#"dataset("weather/all").filter(r, r.temp > 20.0)"#;
        let (header, rows, summary) = query(&rosa, ask(filter)).await.unwrap();
        let columns = header.schema.unwrap().columns;
        let columns: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.r#type.as_str())).collect();
        assert_eq!(columns, [("site", "string"), ("temp", "double"), ("day", "date")]);
        assert_eq!((rows, summary.rows, summary.truncated), (2, 2, false));
        assert!(header.versions.len() == 1 && header.versions[0].starts_with("sha256:"));
        assert!(summary.bytes_read > 0 && summary.elapsed_us > 0);

        let limited = QueryRequest { limit: 1, ..ask(filter) };
        let (_, rows, summary) = query(&rosa, limited).await.unwrap();
        assert_eq!((rows, summary.truncated), (1, true));
        let (_, rows, _) = query(&rosa, ask(r#"dataset("weather/all").filter(r, r.temp > 99.0)"#)).await.unwrap();
        assert_eq!(rows, 0);
    });
}

#[test]
fn mistakes_are_pointed_at() {
    run(async {
        let (_node, rosa) = prepared().await;
        let wrong = query(&rosa, ask(r#"dataset("weather/all").filter(r, r.tmp > 20.0)"#)).await.unwrap_err();
        assert_eq!(said(&wrong), (Code::InvalidArgument, "INVALID_EXPRESSION".into()));
        assert!(wrong.message().contains("tmp") && wrong.message().contains('^'), "{}", wrong.message());
        assert!(hint(&wrong).contains("temp"), "{}", hint(&wrong));
        use tonic_types::StatusExt;
        let info = wrong.get_error_details().error_info().unwrap().clone();
        assert_eq!(info.domain, "bib.dev");
        assert!(info.metadata["column"].parse::<usize>().unwrap() > 30, "{info:?}");
        assert!(info.metadata.contains_key("request_id"));

        let unknown = query(&rosa, ask(r#"dataset("weather/al")"#)).await.unwrap_err();
        assert_eq!(said(&unknown), (Code::NotFound, "DATASET_NOT_FOUND".into()));
        assert!(unknown.message().contains("weather/all"), "{}", unknown.message());
        let nonsense = query(&rosa, ask("((((")).await.unwrap_err();
        assert_eq!(said(&nonsense).1, "INVALID_EXPRESSION");
    });
}

#[test]
fn explain_says_how_and_reads_nothing() {
    run(async {
        let (node, rosa) = prepared().await;
        let request =
            ExplainRequest { expression: r#"dataset("weather/all").filter(r, r.temp > 20.0).limit(1)"#.into() };
        let plan = rosa.queries().explain(request).await.unwrap().into_inner();
        assert!(plan.plan.contains("temp") && plan.row_by_row.is_empty(), "{plan:?}");
        assert_eq!(plan.schema.unwrap().columns.len(), 3);
        node.audited("dataset.explain", "ok").await;
    });
}
