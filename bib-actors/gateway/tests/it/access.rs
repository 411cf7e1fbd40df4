//! Who may call what.

use crate::support::{Node, Person, hint, run, said};
use bib_proto::client::Client;
use bib_proto::v1::{
    CreateTopicRequest, GetHealthRequest, ListAuditRequest, ListTopicsRequest, QueryRequest, ShutdownRequest,
};
use tonic::{Code, Status};

async fn statuses(client: &Client) -> [Result<(), Status>; 5] {
    let create = CreateTopicRequest { name: "weather".into(), if_not_exists: true, ..Default::default() };
    let query = QueryRequest { expression: "1".into(), ..Default::default() };
    [
        client.health().get_health(GetHealthRequest {}).await.map(drop),
        client.topics().list_topics(ListTopicsRequest::default()).await.map(drop),
        client.queries().query(query).await.map(drop),
        client.topics().create_topic(create).await.map(drop),
        client.admin().list_audit(ListAuditRequest::default()).await.map(drop),
    ]
}

/// Whether a call came through the gate, whatever became of it then.
fn admitted(outcome: &Result<(), Status>) -> bool {
    !outcome.as_ref().is_err_and(|status| matches!(status.code(), Code::PermissionDenied | Code::Unauthenticated))
}

#[test]
fn each_role_may_do_what_it_includes() {
    run(async {
        let node = Node::start().await;
        let expected = [
            (Some(Person::Rita), [true, true, false, false, false]),
            (Some(Person::Rosa), [true, true, true, false, false]),
            (Some(Person::Otto), [true, true, true, true, false]),
            (Some(Person::Ada), [true, true, true, true, true]),
            (None, [true, false, false, false, false]),
        ];
        for (person, allowed) in expected {
            let client = match person {
                Some(person) => node.client(person).await,
                None => node.anonymous().await,
            };
            let got = statuses(&client).await;
            assert_eq!(got.each_ref().map(admitted), allowed, "{person:?}: {got:?}");
        }
    });
}

#[test]
fn a_refusal_says_what_is_missing_and_is_recorded() {
    run(async {
        let node = Node::start().await;
        let reader = node.client(Person::Rita).await;
        let refused = reader.admin().shutdown(ShutdownRequest {}).await.unwrap_err();
        assert_eq!(said(&refused), (Code::PermissionDenied, "ROLE_TOO_LOW".into()));
        assert!(refused.message().contains("admin") && refused.message().contains("reader"), "{}", refused.message());
        assert!(hint(&refused).contains("administrator"));
        assert_eq!(node.stops.load(std::sync::atomic::Ordering::Relaxed), 0);

        let nobody = node.anonymous().await.topics().list_topics(ListTopicsRequest::default()).await.unwrap_err();
        assert_eq!(said(&nobody), (Code::Unauthenticated, "NOT_LOGGED_IN".into()));

        let records = node.audited("call.refuse", "refused").await;
        assert!(
            records.iter().any(|r| r.object.ends_with("AdminService/Shutdown") && r.actor == "user:rita"),
            "{records:?}"
        );
        assert!(records.iter().any(|r| r.object.ends_with("ListTopics") && r.actor == "anonymous"), "{records:?}");
    });
}

#[test]
fn a_flood_of_refusals_is_counted_not_recorded() {
    run(async {
        let node = Node::with(|options| options.sessions.refusal_records = 5).await;
        let client = node.anonymous().await;
        for _ in 0..50 {
            client.topics().list_topics(ListTopicsRequest::default()).await.unwrap_err();
        }
        let records = node.audited("call.refuse", "refused").await;
        assert_eq!(records.len(), 5);
    });
}

#[test]
fn health_tells_strangers_states_and_no_reasons() {
    run(async {
        let node = Node::start().await;
        node.board.update("gateway", |actor| actor.last_failure = Some("panicked: secret detail".into()));
        let stranger = node.anonymous().await;
        let seen = stranger.health().get_health(GetHealthRequest {}).await.unwrap().into_inner();
        assert!(seen.ready && seen.actors[0].name == "gateway" && seen.actors[0].state == "running");
        assert!(!format!("{seen:?}").contains("secret"));
        let known = node.client(Person::Rita).await;
        let seen = known.health().get_health(GetHealthRequest {}).await.unwrap().into_inner();
        assert!(seen.actors[0].last_failure.contains("secret detail"));
    });
}
