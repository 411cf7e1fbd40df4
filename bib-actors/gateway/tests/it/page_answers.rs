//! What pages answer besides pages: lists for spreadsheets, files that are none, the limit of a query.

use crate::support::web::{get, signed_in};
use crate::support::{Item, Node, Person, run, send, upload, upload_parts};
use bib_proto::v1::{CreateTopicRequest, UploadHeader};

/// More than all that lies between the store and a browser that takes nothing.
const LENGTH: usize = 24 << 20;

#[test]
fn a_list_for_spreadsheets_runs_nothing_and_always_has_its_columns() {
    run(async {
        let node = Node::start().await;
        let cookie = signed_in(&node).await;
        // a list with nothing in it
        let bare = [
            ("/topics.csv", "/topics.csv"),
            ("/datasets.csv", "/datasets.csv"),
            ("/audit.csv", "/audit.csv?actor=nobody-at-all"),
        ];
        let mut empty = Vec::new();
        for (list, path) in bare {
            let answer = get(&node, path, &cookie).await;
            assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
            assert_eq!(answer.body.lines().count(), 1, "{path}: {}", answer.body);
            empty.push((list, answer.body));
        }

        let formula = "=HYPERLINK(\"http://evil.example\",\"open me\")";
        let topic = CreateTopicRequest { name: "lab".into(), description: formula.into(), ..Default::default() };
        node.local().await.topics().create_topic(topic).await.unwrap();
        let rosa = node.client(Person::Rosa).await;
        let header = UploadHeader { dataset: "lab/d".into(), message: formula.into(), ..Default::default() };
        let items = [Item::file("@SUM(A1)", "a"), Item::file("b.txt", "b")];
        send(&rosa, upload_parts(header, &items)).await.unwrap();
        for (list, head) in empty {
            let answer = get(&node, list, &cookie).await;
            assert_eq!(answer.body.lines().next(), head.lines().next(), "{list}");
            assert!(answer.body.lines().count() > 1, "{list}: {}", answer.body);
        }

        let guarded = "\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"open me\"\")\"";
        for (list, column) in [("/topics", "description"), ("/datasets", "message")] {
            let csv = get(&node, &format!("{list}.csv"), &cookie).await.body;
            assert!(csv.contains(guarded), "{csv}");
            let json: serde_json::Value =
                serde_json::from_str(&get(&node, &format!("{list}.json"), &cookie).await.body).unwrap();
            assert_eq!(json[0][column], formula, "JSON is exact");
        }
        let files = get(&node, "/datasets/lab/d/files.csv", &cookie).await.body;
        assert!(files.contains("\n'@SUM(A1),file,1,") && files.contains("\nb.txt,file,1,"), "{files}");
    });
}

/// A version may have a million files: no page is of all of them, and every part says where the next one is.
#[test]
fn the_files_of_a_version_come_in_parts() {
    run(async {
        let node = Node::with(|options| options.calls.entries_bytes = 1_000).await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items: Vec<Item> = (10..60).map(|n| Item::file(&format!("{n}.txt"), n.to_string())).collect();
        upload(&rosa, "lab/d", &items).await.unwrap();
        let cookie = signed_in(&node).await;
        let names: Vec<&str> = items.iter().map(|item| item.path.as_str()).collect();

        let (mut listed, mut parts, mut path) = (Vec::new(), 0, "/datasets/lab/d/files.json".to_owned());
        while !path.is_empty() {
            let answer = get(&node, &path, &cookie).await;
            let records: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
            assert!(records.len() < names.len(), "{path}");
            listed.extend(records.iter().map(|record| record["path"].as_str().unwrap().to_owned()));
            answer.header("link").split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut path);
            parts += 1;
        }
        assert!(listed == names && parts > 1, "{parts}: {listed:?}");

        let (mut shown, mut path) = (Vec::new(), "/datasets/lab/d".to_owned());
        for part in 0..parts {
            let page = get(&node, &path, &cookie).await.body;
            assert_eq!(page.contains(">First files</a>"), part > 0, "{page}");
            assert!(page.contains("50 files in all"), "{page}");
            let rows = page.split("<tbody>").nth(1).unwrap().split("</tbody>").next().unwrap();
            let cells = rows.split("<th scope=\"row\">").skip(1);
            shown.extend(cells.map(|cell| cell.split('<').next().unwrap().to_owned()));
            let before = page.split_once("\" rel=\"next\">More files").map_or("", |(before, _)| before);
            path = before.rsplit('"').next().unwrap_or_default().replace("&amp;", "&");
        }
        assert_eq!((shown, path.as_str()), (listed, ""));
        assert_eq!(get(&node, "/datasets/lab/d?page=nonsense", &cookie).await.status, 422);
    });
}

/// A folder is no file. That is known from its first entry, and nothing that lies in it is read.
#[test]
fn a_folder_that_is_asked_for_as_a_file_is_not_read() {
    run(async {
        let node = Node::start().await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let noise = (0..LENGTH as u64 / 8).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        let items = [Item::directory("folder", 0o755), Item::file("folder/large.bin", noise.collect::<Vec<u8>>())];
        upload(&rosa, "lab/d", &items).await.unwrap();
        let cookie = signed_in(&node).await;
        let answer = get(&node, "/datasets/lab/d/file?path=folder", &cookie).await;
        assert_eq!(answer.status, 404, "{}", answer.body);
        // the node sees that nobody takes the rest
        node.audited("dataset.download", "failed").await;
        let whole = node
            .records()
            .await
            .into_iter()
            .find(|record| record.action == "dataset.download" && record.outcome.as_str() == "ok");
        assert!(whole.is_none(), "the folder was read to its end: {whole:?}");
        assert_eq!(get(&node, "/datasets/lab/d/file?path=none", &cookie).await.status, 404);
    });
}

#[test]
fn the_query_page_lets_nobody_write_what_it_cannot_send() {
    run(async {
        let node = Node::start().await;
        let cookie = signed_in(&node).await;
        let page = get(&node, "/query", &cookie).await.body;
        let most: usize = page.split("maxlength=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(page.contains("this page sends up to 8,192 characters") && most == 8_192, "{page}");
        assert!(page.contains("bib dataset query"), "{page}");
        // each of these takes three bytes in the address
        let longest = get(&node, &format!("/query?q=%22{}%22", "%28".repeat(most - 2)), &cookie).await;
        assert!(longest.status == 422 && longest.body.contains("name=\"q\""), "{}", longest.head);
        let longer = get(&node, &format!("/query?q={}", "%28".repeat(2 * most)), &cookie).await;
        assert!(longer.status == 431 && longer.body.contains("bib dataset query"), "{}", longer.head);
    });
}
