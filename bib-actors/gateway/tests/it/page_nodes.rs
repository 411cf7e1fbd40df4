//! A pairing is undone on the page of the node.

use crate::support::web::{csrf, get, post, signed_in};
use crate::support::{Node, Person, Storage, eventually, run};
use bib_proto::v1::{CreateInviteRequest, JoinRequest};

#[test]
fn a_paired_node_is_forgotten() {
    run(async {
        let one = Node::made(1, Storage::Sqlite, |_| ()).await;
        let two = Node::made(2, Storage::Sqlite, |_| ()).await;
        let (first, second) = (one.client(Person::Otto).await, two.client(Person::Otto).await);
        let ticket = first.nodes().create_invite(CreateInviteRequest::default()).await.unwrap().into_inner().ticket;
        second.nodes().join(JoinRequest { ticket, ..Default::default() }).await.unwrap();
        let cookie = signed_in(&two).await;
        let link = format!("/nodes/{}", one.identity.node_id());
        eventually("it said its name", || async {
            get(&two, &link, &cookie).await.body.contains("<h1>test node</h1>")
        })
        .await;

        let csv = get(&two, "/nodes.csv", &cookie).await.body;
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "id,name,mode,storage,paired,connected,transport,rttUs,lastSeenMs,base,blamed");
        assert!(lines.len() == 2 && lines[1].starts_with(&format!("{},test node,", one.identity.node_id())), "{csv}");
        assert!(lines[1].contains(",true,true,"), "paired and connected: {csv}");

        let page = get(&two, &link, &cookie).await;
        assert!(page.body.contains(">Forget this node…</a>") && !page.body.contains(" open>"), "{}", page.body);
        let asked = get(&two, &format!("{link}?ask=forget"), &cookie).await;
        assert!(asked.body.contains("<dialog id=\"forget\" aria-labelledby=\"forget-title\" open>"), "{}", asked.body);
        let token = csrf(&page);
        let form = |typed: &str| format!("_csrf={token}&confirm={typed}");
        let wrong = post(&two, &format!("{link}/forget"), &cookie, &form("another")).await;
        assert!(wrong.status == 422 && wrong.body.contains("Nothing was done"), "{}", wrong.body);
        assert!(!two.guardian.peers().await.unwrap().is_empty());
        let done = post(&two, &format!("{link}/forget"), &cookie, &form("test+node")).await;
        assert_eq!((done.status, done.header("location").as_str()), (303, "/nodes?done=forgotten"), "{}", done.body);
        assert!(two.guardian.peers().await.unwrap().is_empty());
        let list = get(&two, "/nodes?done=forgotten", &cookie).await;
        assert!(list.body.contains("Forgotten.") && !list.body.contains(">paired<"), "{}", list.body);
    });
}
