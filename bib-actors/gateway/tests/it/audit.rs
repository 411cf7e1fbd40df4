//! What people do is in the audit log, with who, what and how many rows.

use crate::support::web::{get, signed_in};
use crate::support::{AUDIT_SCAN, Item, Node, Person, download, eventually, run, said, upload};
use bib_audit::{AuditDraft, AuditRecord};
use bib_domain::{OpContext, Who};
use bib_kit::clock;
use bib_proto::v1::{
    ConnectNodeRequest, CreateTopicRequest, DownloadRequest, ListAuditRequest, QueryRequest, ShutdownRequest,
    VerifyAuditRequest, VerifyRequest,
};
use futures::future::join_all;
use std::collections::BTreeSet;
use tonic::Code;
use tonic_types::StatusExt;

#[test]
fn every_sensitive_call_is_recorded() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let rosa = node.client(Person::Rosa).await;
        upload(&rosa, "weather/t", &[Item::file("t.csv", "site,temp\na,1\nb,2\nc,3\n")]).await.unwrap();
        download(&rosa, DownloadRequest { dataset: "weather/t".into(), ..Default::default() }).await.unwrap();
        let expression = r#"dataset("weather/t").filter(r, r.site == "canary-value" || r.temp > 1)"#.to_owned();
        let mut rows =
            rosa.queries().query(QueryRequest { expression, ..Default::default() }).await.unwrap().into_inner();
        while rows.message().await.unwrap().is_some() {}
        let request = VerifyRequest { dataset: "weather/t".into(), ..Default::default() };
        let mut report = rosa.datasets().verify(request).await.unwrap().into_inner();
        while report.message().await.unwrap().is_some() {}

        for (action, object) in [
            ("auth.login", node.identity.node_id().as_str()),
            ("dataset.download", "weather/t"),
            ("dataset.query", "weather/t"),
            ("dataset.verify", "weather/t"),
        ] {
            let record = node.audited(action, "ok").await.pop().unwrap();
            assert_eq!(record.object, object, "{action}");
            assert_eq!(record.component, "gateway");
            if action != "auth.login" {
                assert_eq!((record.actor.as_str(), record.role.as_str()), ("user:rosa", "researcher"), "{action}");
                assert!(record.session_hash.is_some(), "{action}");
                let all = node.records().await;
                let intent = all.iter().find(|r| r.op_id == record.op_id && r.outcome.as_str() == "intent").unwrap();
                assert!(intent.seq < record.seq, "{action}");
            }
        }
        let query = node.audited("dataset.query", "ok").await.pop().unwrap();
        assert_eq!(query.rows, Some(2));
        assert!(query.fingerprint.as_ref().unwrap().contains("r.temp > ?"), "{query:?}");
        let published = node.audited("dataset.publish", "ok").await.pop().unwrap();
        assert!(published.object.starts_with("weather/t@") && published.actor == "user:rosa", "{published:?}");
        assert!(!format!("{:?}", node.records().await).contains("canary-value"), "a value of a query is in the log");
    });
}

#[test]
fn values_are_not_recorded_however_they_are_written() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let rosa = node.client(Person::Rosa).await;
        upload(&rosa, "weather/t", &[Item::file("t.csv", "site,temp\na,1\n")]).await.unwrap();
        let forms = [
            (r#"r"\" + "canary""#, "? + ?)"),
            ("\"\"\"a \"canary\" \"\"\"", "?)"),
            ("\"a\" // it's a canary\n", "? )"),
            ("“canary”", "?"),
        ];
        for (form, _) in forms {
            let expression = format!("dataset(\"weather/t\").filter(r, r.site == {form})");
            match rosa.queries().query(QueryRequest { expression, ..Default::default() }).await {
                Ok(rows) => {
                    let mut rows = rows.into_inner();
                    while rows.message().await.unwrap().is_some() {}
                }
                Err(refused) => assert_eq!(said(&refused).1, "INVALID_EXPRESSION"),
            }
        }
        let recorded = || async {
            let all = node.records().await;
            let ended = |record: &&AuditRecord| record.action == "dataset.query" && record.outcome.as_str() != "intent";
            all.iter().filter(ended).filter_map(|record| record.fingerprint.clone()).collect::<Vec<_>>()
        };
        eventually("all four are recorded", || async { recorded().await.len() == forms.len() }).await;
        let recorded: BTreeSet<_> = recorded().await.into_iter().collect();
        let shapes = forms.map(|(_, said)| format!("dataset(\"weather/t\").filter(r, r.site == {said}"));
        assert_eq!(recorded, BTreeSet::from(shapes));
        assert!(!format!("{:?}", node.records().await).contains("canary"), "a value of a query is in the log");
    });
}

#[test]
fn why_something_was_refused_is_shown() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let ada = node.client(Person::Ada).await;
        let again = CreateTopicRequest { name: "weather".into(), ..Default::default() };
        ada.topics().create_topic(again).await.unwrap_err();
        node.audited("topic.create", "refused").await;
        let request = ListAuditRequest { page_size: 10, action: "topic.create".into(), ..Default::default() };
        let records = ada.admin().list_audit(request).await.unwrap().into_inner().records;
        let refused = records.iter().find(|record| record.outcome == "refused").unwrap();
        let reason = &refused.metadata["reason"];
        assert!(reason.contains("is there already"), "{refused:?}");
        assert!(records.iter().all(|record| record.metadata["db_role"] == "bibd_node"), "{records:?}");

        let cookie = signed_in(&node).await;
        for path in ["/audit?action=topic.create", "/audit.json?action=topic.create", "/audit.csv?action=topic.create"]
        {
            let page = get(&node, path, &cookie).await;
            assert!(page.body.contains("is there already"), "{path}: {}", page.body);
        }
    });
}

#[test]
fn administrators_list_and_verify_it() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let ada = node.client(Person::Ada).await;
        let verdict = ada.admin().verify_audit(VerifyAuditRequest {}).await.unwrap().into_inner();
        assert!(verdict.ok && verdict.records > 3 && verdict.problem.is_empty(), "{verdict:?}");
        assert_eq!(verdict.head.len(), 64);

        let ask = |before_seq, action: &str| ListAuditRequest {
            page_size: 4,
            before_seq,
            action: action.into(),
            ..Default::default()
        };
        let first = ada.admin().list_audit(ask(0, "")).await.unwrap().into_inner().records;
        assert_eq!(first.len(), 4);
        assert!(first.windows(2).all(|pair| pair[0].seq > pair[1].seq), "latest first");
        assert_eq!(first[0].prev_hash, first[1].entry_hash);
        let second = ada.admin().list_audit(ask(first[3].seq, "")).await.unwrap().into_inner().records;
        assert_eq!(second[0].seq + 1, first[3].seq);
        let topics = ada.admin().list_audit(ask(0, "topic.create")).await.unwrap().into_inner().records;
        assert!(topics.len() == 2 && topics.iter().all(|record| record.object == "weather"), "{topics:?}");
        node.audited("audit.list", "ok").await;
        node.audited("audit.verify", "ok").await;
    });
}

#[test]
fn a_search_says_where_older_records_begin() {
    run(async {
        let node = Node::start().await;
        let ada = node.client(Person::Ada).await;
        let write = async |who: &str, count: u64| {
            let op = OpContext { who: Who::User(who.to_owned()), ..OpContext::node(clock::new_request_id(), "test") };
            for _ in 0..count.div_ceil(50) {
                let draft = || AuditDraft::from_op(&op, "test.done", "nothing");
                for done in join_all((0..count.min(50)).map(|_| node.audit.append(draft()))).await {
                    done.unwrap();
                }
            }
        };
        write("zoe", 1).await;
        write("others", 5 * AUDIT_SCAN).await;
        write("zoe", 1).await;

        let (mut found, mut before, mut nothing) = (Vec::new(), 0, None);
        loop {
            let actor = "user:zoe".to_owned();
            let request = ListAuditRequest { page_size: 10, before_seq: before, actor, ..Default::default() };
            let next = match ada.admin().list_audit(request).await {
                Ok(page) => {
                    let page = page.into_inner();
                    found.extend(page.records.iter().map(|record| record.seq));
                    page.next_before
                }
                Err(status) => {
                    assert_eq!(said(&status), (Code::ResourceExhausted, "AUDIT_SEARCH_LIMIT".into()));
                    nothing = Some(before);
                    status.get_error_details().error_info().unwrap().metadata["next"].parse().unwrap()
                }
            };
            assert!(before == 0 || next < before);
            before = next;
            if before == 0 {
                break;
            }
        }
        assert_eq!(found.len(), 2, "{found:?}");

        let cookie = signed_in(&node).await;
        let first = get(&node, "/audit?actor=user%3Azoe", &cookie).await;
        assert!(first.body.contains("test.done") && first.body.contains("Older records"), "{}", first.body);
        let path = format!("/audit?actor=user%3Azoe&before={}", nothing.unwrap());
        let none = get(&node, &path, &cookie).await;
        assert!(none.status == 200 && none.body.contains("No record fits so far."), "{}", none.body);
        assert!(none.body.contains("Older records"), "{}", none.body);
        let csv = get(&node, &path.replace("/audit?", "/audit.csv?"), &cookie).await;
        assert!(csv.header("link").contains("/audit.csv?actor=user%3Azoe&before="), "{}", csv.head);
    });
}

#[test]
fn a_shutdown_is_answered_recorded_and_passed_on() {
    run(async {
        let node = Node::start().await;
        let ada = node.client(Person::Ada).await;
        ada.admin().shutdown(ShutdownRequest {}).await.unwrap();
        assert_eq!(node.stops.load(std::sync::atomic::Ordering::Relaxed), 1);
        let all = node.records().await;
        let outcomes: Vec<_> = all.iter().filter(|r| r.action == "node.shutdown").map(|r| r.outcome.as_str()).collect();
        assert_eq!(outcomes, ["intent", "ok"]);
    });
}

#[test]
fn when_the_log_cannot_be_written_nothing_changes() {
    run(async {
        let node = Node::start().await;
        let ada = node.client(Person::Ada).await;
        node.audit_disk.fill();
        let create = CreateTopicRequest { name: "weather".into(), ..Default::default() };
        let refused = ada.topics().create_topic(create).await.unwrap_err();
        assert_eq!(said(&refused), (Code::Unavailable, "AUDIT_NOT_WRITABLE".into()), "{refused:?}");
        let refused = ada.admin().shutdown(ShutdownRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert_eq!(node.stops.load(std::sync::atomic::Ordering::Relaxed), 0);
        let address = "/ip4/127.0.0.1/tcp/1".to_owned();
        let refused = ada.nodes().connect_node(ConnectNodeRequest { address }).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        let mut other = node.anonymous().await;
        let refused = node.log_in(&mut other, Person::Rosa).await.unwrap_err();
        assert_eq!(refused.code(), Some(Code::Unavailable), "{refused:?}");
        assert_eq!(node.guardian.counts().await.unwrap().topics, 0);
    });
}
