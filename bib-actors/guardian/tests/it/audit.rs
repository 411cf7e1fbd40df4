//! Everything is recorded ahead and after; without the log nothing changes; the table follows the log. On both
//! databases.

use crate::catalog::{on, on_both};
use crate::support::{Backend, Fail, Node, connect, manifest, new_topic, op, own_key, passwords, query, until};
use bib_audit::{AuditRecord, Outcome};
use bib_domain::{OpContext, RequestId, Role, Who};
use bib_guardian::{DatabaseRuntime, GuardianError, VersionState};
use bib_kit::{clock, probe};

on_both!(
    recorded,
    refused_without_the_log,
    not_acknowledged_without_its_outcome,
    a_lost_outcome_is_recorded_at_the_next_start,
    the_table_follows,
    a_zero_byte_does_not_stop_the_table,
    the_table_is_rebuilt
);

const WHOLE: VersionState = VersionState { complete: true };

async fn all(node: &Node) -> Vec<AuditRecord> {
    // outcomes that are on their way are waited for
    node.audit.unsettled().await.unwrap();
    node.records().await
}

async fn of(node: &Node, cx: &OpContext) -> Vec<AuditRecord> {
    all(node).await.into_iter().filter(|record| record.op_id == cx.request_id).collect()
}

fn by_mara() -> OpContext {
    OpContext {
        request_id: clock::new_request_id(),
        who: Who::User("mara".to_owned()),
        role: Role::Researcher,
        session_hash: Some([4; 32]),
        component: "gateway",
    }
}

async fn recorded(node: &mut Node) {
    let cx = by_mara();
    node.guardian.create_topic(&cx, new_topic("t")).await.unwrap();
    let records = of(node, &cx).await;
    let outcomes: Vec<_> = records.iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::Intent, Outcome::Ok]);
    for record in &records {
        assert_eq!((record.actor.as_str(), record.role.as_str()), ("user:mara", "researcher"));
        assert_eq!((record.action.as_str(), record.object.as_str()), ("topic.create", "t"));
        assert_eq!((record.component.as_str(), record.session_hash), ("gateway", Some([4; 32])));
        assert_eq!(record.metadata("db_role"), Some("bibd_node"));
    }
    assert!(records[1].rows > Some(0) && records[1].duration_us > 0 && records[1].fingerprint.is_some());

    let cx = by_mara();
    node.guardian.create_topic(&cx, new_topic("t")).await.unwrap_err();
    let records = of(node, &cx).await;
    assert_eq!(records.iter().map(|record| record.outcome).collect::<Vec<_>>(), [Outcome::Intent, Outcome::Refused]);
    assert!(records[1].metadata("reason").unwrap().contains("is there already"));

    let cx = by_mara();
    let reader = node.guardian.on_behalf_of(&cx);
    reader.list_topics(None, 0).await.unwrap();
    until("the read is in the log", async || !of(node, &cx).await.is_empty()).await;
    let read = of(node, &cx).await.remove(0);
    assert_eq!((read.action.as_str(), read.outcome, read.rows), ("topic.list", Outcome::Ok, Some(1)));

    let published = node.guardian.publish(&cx, manifest("t/d", 1, &[], &own_key()), WHOLE).await.unwrap();
    let intent = all(node).await.into_iter().find(|record| record.seq == published.audit_seq).unwrap();
    assert_eq!((intent.action.as_str(), intent.outcome), ("dataset.publish", Outcome::Intent));
    assert!(intent.object.contains(&published.version.id.to_string()));
}

async fn refused_without_the_log(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    node.ledger.set(Fail::All);
    let cx = op();
    let version = manifest("t/d", 1, &[], &own_key());
    let refused = node.guardian.publish(&cx, version.clone(), WHOLE).await.unwrap_err();
    assert!(matches!(refused, GuardianError::AuditUnavailable { .. }), "{refused}");
    assert_eq!(node.guardian.counts().await.unwrap().versions, 0, "nothing was changed, and reading goes on");
    node.ledger.set(Fail::Nothing);
    assert!(node.guardian.publish(&cx, version, WHOLE).await.unwrap().created);
}

async fn not_acknowledged_without_its_outcome(node: &mut Node) {
    node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
    node.ledger.set(Fail::Outcomes);
    let cx = op();
    let version = manifest("t/d", 1, &[], &own_key());
    let refused = node.guardian.publish(&cx, version.clone(), WHOLE).await.unwrap_err();
    assert!(matches!(refused, GuardianError::AuditUnavailable { .. }), "{refused}");
    node.ledger.set(Fail::Nothing);
    // the retry finds what was done, records it, and only then answers
    let published = node.guardian.publish(&cx, version, WHOLE).await.unwrap();
    assert!(published.created);
    let count = async |outcome| of(node, &cx).await.iter().filter(|record| record.outcome == outcome).count();
    assert!(count(Outcome::Intent).await == 2 && count(Outcome::Ok).await >= 1);
    // and that of the first try comes when the log takes records again, whether anybody tries once more or not
    until("each try has its outcome", async || count(Outcome::Ok).await == 2).await;
    assert_eq!(node.guardian.counts().await.unwrap().versions, 1);
}

/// What the log says of an operation at last, and whether that was found out at a start.
async fn settled(node: &Node, cx: &OpContext) -> (Outcome, bool) {
    let records = of(node, cx).await;
    let [intent, outcome] = &records[..] else { panic!("{records:?}") };
    assert_eq!(intent.outcome, Outcome::Intent);
    assert_eq!((&intent.action, &intent.object), (&outcome.action, &outcome.object));
    assert_eq!((&intent.actor, &intent.role), (&outcome.actor, &outcome.role));
    assert_eq!(outcome.metadata("reason").is_some(), outcome.outcome == Outcome::Failed);
    (outcome.outcome, outcome.metadata("settled").is_some())
}

/// Those of some operations that have no outcome in the log. The node has operations of its own under way, as it likes.
async fn open_of<const N: usize>(node: &Node, operations: [RequestId; N]) -> Vec<RequestId> {
    let open: Vec<_> = node.audit.unsettled().await.unwrap().into_iter().map(|open| open.intent.op_id).collect();
    operations.into_iter().filter(|of| open.contains(of)).collect()
}

async fn a_lost_outcome_is_recorded_at_the_next_start(node: &mut Node) {
    let (made, published) = (by_mara(), by_mara());
    let version = manifest("t/d", 1, &[], &own_key());
    node.ledger.set(Fail::LosesOutcomes);
    node.guardian.create_topic(&made, new_topic("t")).await.unwrap();
    node.guardian.publish(&published, version.clone(), WHOLE).await.unwrap();
    node.ledger.set(Fail::Nothing);
    // begun and never committed, by somebody who leaves a row and by somebody who leaves none; and what a call was about to read
    let (broken_off, unknown, of_others) = (by_mara(), by_mara(), by_mara());
    let intent =
        |cx: &OpContext, action: &str| bib_audit::AuditDraft::from_op(cx, action, "other").outcome(Outcome::Intent);
    let ours = |cx: &OpContext, action: &str| intent(cx, action).metadata("db_role", "bibd_node");
    node.audit.append(ours(&broken_off, "topic.create").metadata("request", "")).await.unwrap();
    node.audit.append(ours(&unknown, "peer.upsert")).await.unwrap();
    node.audit.append(intent(&of_others, "dataset.download")).await.unwrap();
    let tries = [&made, &published, &broken_off, &unknown, &of_others].map(|cx| cx.request_id);
    assert_eq!(open_of(node, tries).await, tries);

    node.crash_and_restart().await;
    assert_eq!(settled(node, &made).await, (Outcome::Ok, true));
    assert_eq!(settled(node, &published).await, (Outcome::Ok, true));
    assert_eq!(settled(node, &broken_off).await, (Outcome::Failed, true));
    assert_eq!(settled(node, &unknown).await, (Outcome::Failed, true));
    assert_eq!(open_of(node, tries).await, [of_others.request_id], "it goes on");
    // settling left nothing behind: the request that was never carried out can be
    assert!(node.guardian.create_topic(&broken_off, new_topic("other")).await.is_ok());
    assert_eq!(node.guardian.create_topic(&made, new_topic("t")).await.unwrap().name.as_str(), "t", "as before");
    node.audit.append(intent(&of_others, "dataset.download").outcome(Outcome::Ok)).await.unwrap();
    node.crash_and_restart().await;
    assert_eq!(open_of(node, tries).await, []);
}

async fn caught_up(node: &Node) {
    // asking is recorded too: the end of the log moves on
    let head = node.audit.head().await.unwrap().seq;
    until("the table has the log", async || {
        let status = node.guardian.audit_index_status().await.unwrap();
        status.ok && status.indexed_to >= Some(head)
    })
    .await;
}

async fn the_table_follows(node: &mut Node) {
    for i in 0..20 {
        node.guardian.create_topic(&op(), new_topic(&format!("t{i}"))).await.unwrap();
    }
    caught_up(node).await;
    // what was written while the guardian was away
    node.guard.abort().await;
    for i in 0..700 {
        let draft = bib_audit::AuditDraft::from_op(&op(), "test.away", format!("{i}")).param("secret", "canary");
        node.audit.append_buffered(draft).await.unwrap();
    }
    node.audit.append(bib_audit::AuditDraft::from_op(&op(), "test.away", "last")).await.unwrap();
    node.guard.start().await.unwrap();
    caught_up(node).await;
    assert!(node.guardian.audit_index_status().await.unwrap().records > 700);
}

/// What the table says of the objects of an action.
async fn objects_in_table(node: &Node, action: &str) -> String {
    let sql = format!("select table_name from audit_log where action = '{action}'");
    match node.options.runtime {
        DatabaseRuntime::Sqlite => {
            let file = rusqlite::Connection::open(node.data_dir().join("bib.sqlite")).unwrap();
            file.query_row(&sql, [], |row| row.get(0)).unwrap()
        }
        _ => {
            let password = passwords(node.data_dir())["bibd_admin_a"].clone();
            let admin = connect(node.data_dir(), "bibd_admin_a", &password, "bib").await.unwrap();
            query(&admin, &sql.replace("audit_log", "bib.audit_log")).await.unwrap()
        }
    }
}

/// Texts in records come from people too, and PostgreSQL takes no zero byte in a text.
async fn a_zero_byte_does_not_stop_the_table(node: &mut Node) {
    let draft = bib_audit::AuditDraft::from_op(&op(), "test.zero", "a\0b").metadata("na\0me", "val\0ue");
    node.audit.append(draft.fingerprint("f\0").job("j\0").role("r\0")).await.unwrap();
    node.guardian.create_topic(&op(), new_topic("after-it")).await.unwrap();
    caught_up(node).await;
    assert_eq!(objects_in_table(node, "test.zero").await, "a\u{fffd}b");
    let record = all(node).await.into_iter().find(|record| record.action == "test.zero").unwrap();
    assert_eq!(record.object, "a\0b", "the log keeps what was said");
    // one that is in the log already does not stop a table that is filled anew either
    node.guardian.rebuild_audit_index(&op()).await.unwrap();
    caught_up(node).await;
}

async fn the_table_is_rebuilt(node: &mut Node) {
    for i in 0..5 {
        node.guardian.create_topic(&op(), new_topic(&format!("t{i}"))).await.unwrap();
    }
    caught_up(node).await;
    let cx = op();
    let rows = node.guardian.rebuild_audit_index(&cx).await.unwrap();
    assert!(rows >= 11, "{rows}");
    assert_eq!(
        of(node, &cx).await.iter().map(|record| record.outcome).collect::<Vec<_>>(),
        [Outcome::Intent, Outcome::Ok]
    );
    caught_up(node).await;
}

/// A table that says something else than the log is filled anew at the next start.
#[test]
fn a_table_that_differs_is_replaced() {
    probe::run(async {
        let home = crate::support::Home::new();
        let mut node = home.start(Backend::Sqlite).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        caught_up(&node).await;
        node.guard.abort().await;
        let file = rusqlite::Connection::open(node.data_dir().join("bib.sqlite")).unwrap();
        let refused = file.execute("update audit_log set actor = 'nobody'", []).unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
        assert!(file.execute("delete from audit_log", []).is_err());
        file.execute_batch(
            "drop trigger audit_log_no_update; update audit_log set entry_hash = zeroblob(32) where id = (select max(id) from audit_log)",
        )
        .unwrap();
        drop(file);
        node.guard.start().await.unwrap();
        caught_up(&node).await;
        node.stop().await;
    });
}
