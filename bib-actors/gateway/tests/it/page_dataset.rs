//! The page of a dataset: what proves a version, its versions as files, and the way back from a verification.

use crate::support::web::{csrf, get, post, signed_in};
use crate::support::{Item, Node, Person, run, upload};
use bib_proto::v1::GetDatasetRequest;
use sha2::{Digest, Sha256};

const NAME: &str = "weather/all";
const PAGE: &str = "/datasets/weather/all";

async fn prepared(versions: usize) -> Node {
    let node = Node::with(|options| options.calls.versions_max = 2).await;
    node.topic("weather").await;
    let rosa = node.client(Person::Rosa).await;
    for rows in 1..=versions {
        let table = Item::file("w.csv", format!("site,n\n{}", "A,1\n".repeat(rows)));
        upload(&rosa, NAME, &[table]).await.unwrap();
    }
    node
}

#[test]
fn what_proves_a_version_is_named_for_what_it_is() {
    run(async {
        let node = prepared(1).await;
        let cookie = signed_in(&node).await;
        let request = GetDatasetRequest { name: NAME.to_owned(), ..Default::default() };
        let found = node.local().await.datasets().get_dataset(request).await.unwrap().into_inner();
        let version = found.version.unwrap();
        let page = get(&node, PAGE, &cookie).await.body;
        let proof = page.split("id=\"proof\"").nth(1).unwrap().split("</section>").next().unwrap();
        let own = node.identity.node_id().to_string();
        for (label, value) in [
            ("Version id (SHA-256 of the manifest)", &version.id),
            ("Signed by", &own),
            ("Signature of the manifest", &found.signature),
        ] {
            assert!(proof.contains(&format!("<dt>{label}</dt><dd><code>{value}</code></dd>")), "{label}: {proof}");
        }
        let known = "<dt>Replicas known here</dt><dd><ul class=\"plain\"><li><a href=\"/\">test node</a>: whole";
        assert!(proof.contains(known), "{proof}");
        assert!(page.contains("Published by <a href=\"/\">test node</a>"), "{page}");

        let kept = node.guardian.find_version(&NAME.parse().unwrap(), "").await.unwrap();
        let signed = node.guardian.manifest(kept.id).await.unwrap().unwrap();
        let hash = hex::encode(Sha256::digest(signed.manifest().encode()));
        assert_eq!(version.id, format!("sha256:{hash}"), "what the label says");
        assert_eq!(found.signature, hex::encode(signed.signature()));
    });
}

#[test]
fn its_versions_are_a_file_too() {
    run(async {
        let node = prepared(3).await;
        let cookie = signed_in(&node).await;
        let page = get(&node, PAGE, &cookie).await.body;
        for list in ["versions.json", "versions.csv"] {
            assert!(page.contains(&format!("<a href=\"{PAGE}/{list}\">")), "{page}");
        }
        let all = node.guardian.versions(&NAME.parse().unwrap()).await.unwrap();
        let ids: Vec<String> = all.iter().map(|version| version.id.to_string()).collect();

        let (mut listed, mut path) = (Vec::new(), format!("{PAGE}/versions.json"));
        while !path.is_empty() {
            let answer = get(&node, &path, &cookie).await;
            let records: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
            assert!(records.len() <= 2, "{}", answer.body);
            listed.extend(records);
            answer.header("link").split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut path);
        }
        let named: Vec<&str> = listed.iter().map(|record| record["id"].as_str().unwrap()).collect();
        assert_eq!(named, ids);
        let newest = &listed[0];
        let told = (newest["number"].as_u64(), newest["rows"].as_u64(), newest["complete"].as_bool());
        assert_eq!(told, (Some(3), Some(3), Some(true)));

        let csv = get(&node, &format!("{PAGE}/versions.csv"), &cookie).await;
        let lines: Vec<&str> = csv.body.lines().collect();
        assert_eq!(lines[0], "number,id,message,publisher,files,rows,bytes,chunks,complete,createdMs");
        assert!(lines.len() == 3 && lines[1].starts_with(&format!("3,{},", ids[0])), "{}", csv.body);
        assert!(csv.header("link").contains(&format!("{PAGE}/versions.csv?page=")), "{}", csv.head);
        assert_eq!(get(&node, &format!("{PAGE}/versions.csv?page=nonsense"), &cookie).await.status, 422);
        assert_eq!(get(&node, "/datasets/weather/none/versions.json", &cookie).await.status, 404);
    });
}

#[test]
fn behind_a_verification_the_address_leads_back_to_the_version() {
    run(async {
        let node = prepared(2).await;
        let cookie = signed_in(&node).await;
        let older = format!("{PAGE}?v=1");
        let page = get(&node, &older, &cookie).await;
        let action =
            page.body.split("<form method=\"post\" action=\"").find(|rest| rest.contains("Verify now")).unwrap();
        let action = action.split('"').next().unwrap();
        let id = action.strip_prefix(&format!("{PAGE}/verify?v=")).unwrap();
        let verified = post(&node, action, &cookie, &format!("_csrf={}&v={id}", csrf(&page))).await;
        assert!(verified.status == 200 && verified.body.contains("Verified now: all"), "{}", verified.body);

        let back = get(&node, action, &cookie).await;
        assert_eq!((back.status, back.header("location")), (303, format!("{PAGE}?v={id}")));
        let shown = get(&node, &back.header("location"), &cookie).await;
        assert!(shown.status == 200 && shown.body.contains("<dt>Version</dt><dd>1 "), "{}", shown.body);
    });
}
