//! The pages of tables: what they say when their columns cannot be counted, and versions of many tables.

use crate::support::web::{get, signed_in};
use crate::support::{Item, Node, Person, run, upload};
use std::time::Duration;

const TABLE: &str = "/datasets/weather/all/v/1/table";

/// Takes the bytes of the one version away from under the node.
async fn lose(node: &Node) {
    let version = node.guardian.find_version(&"weather/all".parse().unwrap(), "").await.unwrap();
    let signed = node.guardian.manifest(version.id).await.unwrap().unwrap();
    for chunk in &signed.manifest().chunks {
        let name = chunk.hash.to_hex();
        std::fs::remove_file(node.dir().join("blobs").join(&name[..2]).join(&name[2..4]).join(&name)).unwrap();
    }
}

/// A page that asked again by itself would do so without end.
#[test]
fn columns_that_cannot_be_counted_are_not_asked_for_by_themselves() {
    run(async {
        let node = Node::with(|options| options.query.timeout = Duration::from_secs(30)).await;
        node.topic("weather").await;
        let rosa = node.client(Person::Rosa).await;
        upload(&rosa, "weather/all", &[Item::file("w.csv", "site,n\nHarbour,1\n")]).await.unwrap();
        let cookie = signed_in(&node).await;
        // the rows stay in memory; what is in the columns would be read from the chunks
        assert_eq!(get(&node, &format!("{TABLE}.json"), &cookie).await.status, 200);
        lose(&node).await;
        let page = get(&node, &format!("{TABLE}?stats=wait"), &cookie).await;
        assert!(page.status == 200 && page.body.contains("Harbour"), "{}", page.body);
        assert!(!page.body.contains("hx-trigger=\"load\""), "{}", page.body);
        let swapped = page.body.split("<div id=\"counted\">").nth(1).unwrap();
        let swapped = swapped.split("aria-label=\"Pages of rows\"").next().unwrap();
        let (why, link) = swapped.split("could not be counted: ").nth(1).unwrap().split_once(". <a href=\"").unwrap();
        assert!(!why.is_empty() && link.starts_with(&format!("{TABLE}?stats=wait\">Try again</a>")), "{why} {link}");
        assert!(!page.body.contains("is being counted"), "{}", page.body);
    });
}

#[test]
fn of_many_tables_some_have_tabs_and_the_shown_one_always() {
    run(async {
        // they come in many answers
        let node = Node::with(|options| options.calls.entries_bytes = 1_000).await;
        node.topic("weather").await;
        let rosa = node.client(Person::Rosa).await;
        let items: Vec<Item> =
            (0..53).map(|n| Item::file(&format!("t{n:02}.csv"), format!("site,n\nA,{n}\n"))).collect();
        upload(&rosa, "weather/all", &items).await.unwrap();
        let cookie = signed_in(&node).await;
        for (shown, tabs) in [("t00.csv", 50), ("t52.csv", 51)] {
            let page = get(&node, &format!("{TABLE}?file={shown}"), &cookie).await;
            assert_eq!(page.status, 200, "{}", page.body);
            let nav = page.body.split("<nav class=\"tabs\"").nth(1).unwrap().split("</nav>").next().unwrap();
            assert_eq!(nav.matches("aria-current=").count(), tabs, "{nav}");
            assert!(nav.contains(&format!("aria-current=\"page\">{shown}</a>")), "{nav}");
            let link = nav.split("<a href=\"").last().unwrap();
            assert!(link.starts_with("/datasets/weather/all?v=") && link.contains("all 53 tables"), "{link}");
        }
    });
}
