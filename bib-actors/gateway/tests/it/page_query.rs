//! The result of a query as a file, in each form.

use crate::support::web::{get, signed_in};
use crate::support::{Item, Node, Person, run, upload};

#[test]
fn a_result_is_a_file_in_each_form() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let rosa = node.client(Person::Rosa).await;
        upload(&rosa, "weather/all", &[Item::file("w.csv", "site,n\nA,1\n=B,22\nC,\n")]).await.unwrap();
        let cookie = signed_in(&node).await;
        let query = "dataset(\"weather/all\").filter(r, r.site != \"A\")";
        let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let file = async |ending: &str, more: &str| {
            let answer = get(&node, &format!("/query.{ending}?q={query}{more}"), &cookie).await;
            assert_eq!(answer.status, 200, "{ending}: {}", answer.body);
            answer
        };
        let json = file("json", "&sort=site&dir=desc").await;
        let rows: serde_json::Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(rows, serde_json::json!([{"site": "C", "n": null}, {"site": "=B", "n": 22}]));
        assert_eq!((json.header("content-type").as_str(), json.header("link").as_str()), ("application/json", ""));

        let csv = file("csv", "").await;
        assert!(csv.body.contains("site,n\n=B,22\nC,\n"), "{}", csv.body);
        assert!(csv.header("content-type").starts_with("text/csv"), "{}", csv.head);
        assert!(csv.header("content-disposition").contains("query.csv"), "{}", csv.head);
        assert!(file("csv", "&for=spreadsheet").await.body.contains("'=B,22"));

        let lines = file("jsonl", "&f=r.n%20%3E%201").await;
        assert!(lines.body.contains("{\"site\":\"=B\",\"n\":22}\n") && !lines.body.contains("\"C\""), "{}", lines.body);
        assert!(lines.header("content-disposition").contains("query.jsonl"), "{}", lines.head);

        let parquet = file("parquet", "").await;
        assert_eq!(parquet.body.matches("PAR1").count(), 2, "its beginning and its end");
        assert!(parquet.header("content-disposition").contains("query.parquet"), "{}", parquet.head);

        for ending in ["json", "csv", "jsonl", "parquet"] {
            let wrong = get(&node, &format!("/query.{ending}?q=nonsense"), &cookie).await;
            assert_eq!(wrong.status, 422, "{ending}: {}", wrong.body);
            assert_eq!(get(&node, &format!("/query.{ending}?q={query}"), "").await.status, 303, "{ending}");
        }
    });
}
