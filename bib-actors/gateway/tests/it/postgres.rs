//! The same on the managed PostgreSQL.

use crate::support::{Item, Node, Person, Storage, download, run, upload};
use bib_proto::v1::{DownloadRequest, GetSelfRequest, VerifyAuditRequest};

#[test]
fn upload_download_and_audit_on_postgresql() {
    run(async {
        let node = Node::made(1, Storage::Postgres, |_| ()).await;
        node.topic("lab").await;
        let rosa = node.client(Person::Rosa).await;
        let items = [Item::file("t.csv", "a,b\n1,2\n")];
        let made = upload(&rosa, "lab/d", &items).await.unwrap();
        assert!(made.created);
        assert!(!upload(&rosa, "lab/d", &items).await.unwrap().created);
        let got = download(&rosa, DownloadRequest { dataset: "lab/d".into(), ..Default::default() }).await.unwrap();
        assert_eq!(got.items, items);
        let ada = node.client(Person::Ada).await;
        let me = ada.nodes().get_self(GetSelfRequest {}).await.unwrap().into_inner();
        assert_eq!((me.database_runtime.as_str(), me.versions), ("process", 1));
        let verdict = ada.admin().verify_audit(VerifyAuditRequest {}).await.unwrap().into_inner();
        assert!(verdict.ok, "{verdict:?}");
        node.stop().await;
    });
}
