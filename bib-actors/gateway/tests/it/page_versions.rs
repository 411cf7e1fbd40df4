//! The pages of versions, topics and nodes: what they link to is what they show, also where numbers are not unique, where
//! something newer arrives meanwhile, and where a node is not known.

use crate::support::web::{Answer, csrf, get, post, signed_in};
use crate::support::{Item, Node, Person, Storage, replicated, run, upload};
use bib_chunks::{ChunkStore, IngestOptions, Manifest, SignedManifest, StoreOptions, VersionWriter};
use bib_domain::{OpContext, TopicName};
use bib_guardian::{NewTopic, VersionState};
use bib_kit::clock;
use bib_proto::v1::{ConnectNodeRequest, CreateTopicRequest, GetSelfRequest, ListVersionsRequest, Version};
use ed25519_dalek::SigningKey;
use std::sync::Arc;

const NAME: &str = "weather/all";
const PAGE: &str = "/datasets/weather/all";

/// What an address needs of a version's id.
fn short(id: &str) -> String {
    id.trim_start_matches("sha256:").chars().take(12).collect()
}

/// What follows `before` in a page, up to the end of the attribute.
fn attribute(page: &Answer, before: &str) -> String {
    let after = page.body.split(before).nth(1).unwrap_or_else(|| panic!("no {before} in {}", page.body));
    after.split('"').next().unwrap().to_owned()
}

async fn prepared() -> Node {
    let node = Node::start().await;
    node.topic("weather").await;
    another(&node, 1).await;
    node
}

/// Uploads one more version with a table of so many rows.
async fn another(node: &Node, rows: usize) {
    let table = Item::file("w.csv", format!("site,n\n{}", "A,1\n".repeat(rows)));
    upload(&node.client(Person::Rosa).await, NAME, &[table]).await.unwrap();
}

async fn versions(node: &Node) -> Vec<Version> {
    let request = ListVersionsRequest { name: NAME.to_owned(), ..Default::default() };
    node.local().await.datasets().list_versions(request).await.unwrap().into_inner().versions
}

/// What another node has published, of which nothing has come here yet.
async fn arriving(node: &Node, number: u64) -> String {
    let elsewhere = ChunkStore::open(&node.desk().join("elsewhere"), StoreOptions::default()).unwrap();
    let mut writer = VersionWriter::new(elsewhere, IngestOptions::default());
    writer.file("w.csv", 0o644, &mut "site,n\nB,2\n".as_bytes()).unwrap();
    let made = writer.finish().unwrap();
    let key = SigningKey::from_bytes(&[9; 32]);
    let manifest = Manifest {
        dataset: NAME.to_owned(),
        number,
        created_ms: 1_700_000_000_000,
        message: String::new(),
        parents: Vec::new(),
        publisher: key.verifying_key().to_bytes(),
        chunks: made.chunks,
        entries: made.entries,
    };
    let signed = Arc::new(SignedManifest::sign(manifest, &key).unwrap());
    let op = OpContext::node(clock::new_request_id(), "replicator");
    let published = node.guardian.publish(&op, signed, VersionState { complete: false }).await.unwrap();
    published.version.id.to_string()
}

#[test]
fn older_versions_are_a_page_further() {
    run(async {
        let node = Node::with(|options| options.calls.versions_max = 2).await;
        node.topic("weather").await;
        for rows in 1..=3 {
            another(&node, rows).await;
        }
        let cookie = signed_in(&node).await;
        let all = node.guardian.versions(&NAME.parse().unwrap()).await.unwrap();
        let oldest = format!("<code>{}</code>", short(&all[2].id.to_string()));
        let first = get(&node, PAGE, &cookie).await;
        assert!(first.body.contains("3 versions in all") && !first.body.contains(&oldest), "{}", first.body);
        let older = attribute(&first, "&amp;versions=").replace("#versions", "");
        let second = get(&node, &format!("{PAGE}?versions={older}"), &cookie).await;
        assert!(second.body.contains(&oldest) && second.body.contains("Newest versions"), "{}", second.body);
        assert!(!second.body.contains("Older versions"), "{}", second.body);
    });
}

#[test]
fn a_number_that_two_nodes_gave_is_shown_and_finds_nothing() {
    run(async {
        let node = prepared().await;
        let cookie = signed_in(&node).await;
        let alone = get(&node, PAGE, &cookie).await;
        assert!(alone.body.contains("/v/1/table?file=w.csv"), "people read numbers: {}", alone.body);
        let table = get(&node, &format!("{PAGE}/v/1/table?file=w.csv"), &cookie).await;
        assert!(table.status == 200 && table.body.contains("weather/all@1"), "{}", table.body);

        let ours = short(&versions(&node).await[0].id);
        let items = [Item::file("w.csv", "site,n\nB,2\n")];
        let theirs = short(&replicated(&node, NAME, &items, false).await.to_string());
        let ambiguous = get(&node, &format!("{PAGE}?v=1"), &cookie).await;
        assert_eq!(ambiguous.status, 422, "{}", ambiguous.body);
        for (id, other) in [(&ours, &theirs), (&theirs, &ours)] {
            let page = get(&node, &format!("{PAGE}?v={id}"), &cookie).await;
            assert_eq!(page.status, 200, "{}", page.body);
            assert!(!page.body.contains("v=1\"") && !page.body.contains("v=1&"), "{}", page.body);
            assert!(!page.body.contains("/v/1/") && page.body.contains(&format!("?v={other}\"")), "{}", page.body);
            for path in [format!("archive?v={id}"), format!("files.json?v={id}"), format!("files.csv?v={id}")] {
                assert!(page.body.contains(&format!("{PAGE}/{path}\"")), "{path}: {}", page.body);
                assert_eq!(get(&node, &format!("{PAGE}/{path}"), &cookie).await.status, 200, "{path}");
            }
            let file = get(&node, &format!("{PAGE}/file?v={id}&path=w.csv"), &cookie).await;
            assert!(file.status == 200 && file.body.contains(if *id == ours { "A,1" } else { "B,2" }), "{}", file.body);
            let typed = attribute(&page, "name=\"v\" value=\"");
            assert_eq!(typed, *id);
            let form = format!("_csrf={}&v={typed}", csrf(&page));
            let verified = post(&node, &format!("{PAGE}/verify"), &cookie, &form).await;
            assert!(verified.status == 200 && verified.body.contains("Verified now"), "{}", verified.body);
        }
        let page = get(&node, &format!("{PAGE}?v={theirs}"), &cookie).await;
        let said =
            format!("This is version 1 ({theirs}). <a href=\"{PAGE}?v={ours}\">See the latest, version 1 ({ours})");
        assert!(page.body.contains(&said), "{}", page.body);
        assert!(page.body.contains(&format!("bib dataset get {NAME} --version {theirs}")), "{}", page.body);

        let page = get(&node, &format!("{PAGE}?v={ours}"), &cookie).await;
        let link = format!("{PAGE}/v/{ours}/table");
        assert!(page.body.contains(&format!("{link}?file=w.csv\"")), "{}", page.body);
        let table = get(&node, &link, &cookie).await;
        assert!(table.status == 200 && table.body.contains(&format!("weather/all@{ours}")), "{}", table.body);
        assert!(table.body.contains(&format!("{PAGE}?v={ours}\">version 1</a>")), "{}", table.body);
        assert!(!table.body.contains("weather/all@1&"), "{}", table.body);
        let row = get(&node, &format!("{link}?row=1"), &cookie).await;
        assert!(row.status == 200 && row.body.contains(&format!("weather/all@{ours}")), "{}", row.body);
        assert!(get(&node, &format!("{link}.csv"), &cookie).await.body.contains("A,1"));
    });
}

#[test]
fn what_is_fetched_again_is_of_the_version_below_it() {
    run(async {
        let node = prepared().await;
        let cookie = signed_in(&node).await;
        let page = get(&node, PAGE, &cookie).await;
        let here = attribute(&page, "<div id=\"live\" hx-get=\"");
        another(&node, 2).await;
        let again = get(&node, &here, &cookie).await;
        assert_eq!(again.status, 200, "{here}");
        assert!(again.body.contains("<dt>Version</dt><dd>1 "), "{}", again.body);
        let newest = short(&versions(&node).await[0].id);
        let said = format!("This is version 1. <a href=\"{PAGE}?v={newest}\">See the latest, version 2</a>");
        assert!(again.body.contains(&said), "{}", again.body);
        let latest = get(&node, &format!("{PAGE}?v={newest}"), &cookie).await;
        assert!(latest.body.contains("<dt>Version</dt><dd>2 ") && !latest.body.contains("This is version"));
    });
}

#[test]
fn a_version_that_is_still_arriving_has_an_address_of_its_own() {
    run(async {
        let node = prepared().await;
        let cookie = signed_in(&node).await;
        let ours = short(&versions(&node).await[0].id);
        let newer = short(&arriving(&node, 2).await);
        let page = get(&node, PAGE, &cookie).await;
        let said = format!("This is version 1. <a href=\"{PAGE}?v={newer}\">Version 2</a> is still arriving.");
        assert!(page.body.contains(&said) && page.body.contains("<dt>Version</dt><dd>1 "), "{}", page.body);
        assert!(!page.body.contains("See the latest"), "it is shown: {}", page.body);

        let page = get(&node, &format!("{PAGE}?v={newer}"), &cookie).await;
        assert!(page.status == 200 && page.body.contains("<dt>Version</dt><dd>2 "), "{}", page.body);
        let said = format!(
            "This is version 2, which is still arriving. <a href=\"{PAGE}?v={ours}\">See the latest that is whole, version 1</a>"
        );
        assert!(page.body.contains(&said), "{}", page.body);
    });
}

#[test]
fn only_nodes_that_have_a_page_are_linked_to() {
    run(async {
        let node = prepared().await;
        let cookie = signed_in(&node).await;
        let page = get(&node, PAGE, &cookie).await;
        assert!(page.body.contains("Published by <a href=\"/\">"), "{}", page.body);
        let topic = get(&node, "/topics/weather", &cookie).await;
        assert!(topic.body.contains("Made by <a href=\"/\"><code>"), "{}", topic.body);

        let stranger = bib_swarm::Identity::from_seed(zeroize::Zeroizing::new([9; 32])).node_id().clone();
        assert_eq!(get(&node, &format!("/nodes/{stranger}"), &cookie).await.status, 404);
        let theirs = short(&arriving(&node, 2).await);
        let page = get(&node, &format!("{PAGE}?v={theirs}"), &cookie).await;
        assert!(page.status == 200 && page.body.contains("Published by …"), "{}", page.body);
        assert!(!page.body.contains("href=\"/nodes/"), "{}", page.body);
        let op = OpContext::node(clock::new_request_id(), "replicator");
        let name: TopicName = "theirs".parse().unwrap();
        let new = NewTopic { name, description: String::new(), owner: stranger, created_ms: 1, if_not_exists: false };
        node.guardian.create_topic(&op, new).await.unwrap();
        let topic = get(&node, "/topics/theirs", &cookie).await;
        assert!(topic.status == 200 && topic.body.contains("Made by <code>…"), "{}", topic.body);
        assert!(!topic.body.contains("href=\"/nodes/"), "{}", topic.body);
    });
}

#[test]
fn a_node_without_a_name_is_disconnected_by_what_can_be_typed() {
    run(async {
        let one = Node::made(1, Storage::Sqlite, |_| ()).await;
        let two = Node::made(2, Storage::Sqlite, |_| ()).await;
        let addresses = one.local().await.nodes().get_self(GetSelfRequest {}).await.unwrap().into_inner();
        let address = addresses.node.unwrap().addresses.into_iter().find(|address| address.contains("/tcp/")).unwrap();
        let (client, cookie) = (two.local().await, signed_in(&two).await);
        let token = csrf(&get(&two, "/nodes", &cookie).await);
        client.nodes().connect_node(ConnectNodeRequest { address }).await.unwrap();

        let id = one.identity.node_id().to_string();
        let (link, tail) = (format!("/nodes/{id}"), &id[id.len() - 8..]);
        let page = get(&two, &format!("{link}?ask=disconnect"), &cookie).await;
        assert!(page.body.contains(&format!("<h1>…{tail}</h1>")), "{}", page.body);
        assert!(page.body.contains(&format!("data-must-be=\"{tail}\"")), "{}", page.body);
        let form = |typed: &str| format!("_csrf={token}&confirm={typed}");
        let wrong = post(&two, &format!("{link}/disconnect"), &cookie, &form("another")).await;
        assert!(wrong.status == 422 && wrong.body.contains("Nothing was done"), "{}", wrong.body);
        let done = post(&two, &format!("{link}/disconnect"), &cookie, &form(tail)).await;
        assert_eq!((done.status, done.header("location").as_str()), (303, "/nodes?done=disconnected"), "{}", done.body);
        let list = get(&two, "/nodes?done=disconnected", &cookie).await;
        assert!(list.status == 200 && list.body.contains("Disconnected."), "{}", list.body);
    });
}

#[test]
fn a_later_part_of_the_topics_is_a_file_too() {
    run(async {
        let node = Node::start().await;
        let client = node.local().await;
        for number in 0..101 {
            let request = CreateTopicRequest { name: format!("t{number:03}"), ..Default::default() };
            client.topics().create_topic(request).await.unwrap();
        }
        let cookie = signed_in(&node).await;
        let first = get(&node, "/topics", &cookie).await;
        assert!(first.body.contains("href=\"/topics.json\"") && first.body.contains("href=\"/topics.csv\""));
        let next = attribute(&first, "<p class=\"pager\"><a href=\"");
        let last = get(&node, &next, &cookie).await;
        assert!(last.body.contains("id=\"topic-t100\"") && !last.body.contains("id=\"topic-t099\""), "{}", last.body);
        for (before, form) in [("As <a href=\"", "/topics.json?page="), (" or <a href=\"", "/topics.csv?page=")] {
            let link = attribute(&last, before);
            assert!(link.starts_with(form), "{link}");
            let file = get(&node, &link, &cookie).await.body;
            assert!(file.contains("t100") && !file.contains("t099"), "{file}");
        }
    });
}
