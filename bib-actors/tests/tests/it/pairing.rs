//! Tickets: wrong, used, damaged; and what an unpaired node gets.

use super::data::{file, upload};
use bib_node_tests::{Lab, NodeSpec, pair, until};
use std::time::Duration;

#[test]
fn a_ticket_is_good_once_and_nothing_else_is() {
    let lab = Lab::new().unwrap();
    let mut first = lab.node(NodeSpec::full("first")).unwrap();
    let mut second = lab.node(NodeSpec::cache("second")).unwrap();
    let mut third = lab.node(NodeSpec::cache("third")).unwrap();
    for node in [&mut first, &mut second, &mut third] {
        node.start().unwrap();
    }
    let ticket = first.bib(&["invite", "-q"]).unwrap().ok().unwrap().stdout.trim().to_owned();
    assert!(ticket.starts_with("bib1"), "{ticket}");

    let mut typo = ticket.clone();
    let last = if typo.pop() == Some('a') { 'b' } else { 'a' };
    typo.push(last);
    for wrong in [typo.as_str(), "bib1nonsense", "hello"] {
        let refused = second.bib(&["join", wrong]).unwrap();
        assert_eq!(refused.code, 2, "{wrong}: {}", refused.stderr);
        assert!(refused.stderr.contains("ticket"), "{}", refused.stderr);
    }
    second.bib(&["join", &ticket]).unwrap().ok().unwrap();
    let used = third.bib(&["join", &ticket]).unwrap();
    assert_ne!(used.code, 0, "a used ticket was good again");
    assert!(used.stderr.contains("used"), "{}", used.stderr);
    until("both know each other", Duration::from_secs(30), || {
        [&first, &second].iter().all(|node| {
            node.json(&["node", "list", "--connected"])
                .is_ok_and(|nodes| nodes.as_array().is_some_and(|n| n.len() == 1))
        })
    })
    .unwrap();

    // the third node knows the address and may connect, but hears and gets nothing
    first.bib(&["topic", "create", "secret"]).unwrap().ok().unwrap();
    upload(&first, &file(lab.path(), "x.txt", b"for paired nodes only"), "secret", "x");
    let first_node = first.json(&["node", "info"]).unwrap();
    let address = first_node["addresses"][0].as_str().unwrap().to_owned();
    let _ = third.bib(&["node", "connect", &address]).unwrap();
    until("the paired node hears of it", Duration::from_secs(60), || {
        second.bib(&["topic", "get", "secret"]).is_ok_and(|o| o.code == 0)
    })
    .unwrap();
    assert_eq!(third.bib(&["topic", "get", "secret"]).unwrap().code, 6, "an unpaired node heard of a topic");
    assert_eq!(third.json(&["topic", "list"]).unwrap(), serde_json::json!([]));
}

#[test]
fn a_new_version_arrives_without_being_asked_for() {
    let lab = Lab::new().unwrap();
    let more = String::new();
    let mut first = lab.node(NodeSpec { more: more.clone(), ..NodeSpec::full("first") }).unwrap();
    let mut second = lab.node(NodeSpec { more, ..NodeSpec::selective("second") }).unwrap();
    first.start().unwrap();
    second.start().unwrap();
    pair(&first, &second).unwrap();
    first.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    upload(&first, &file(lab.path(), "a.txt", b"one"), "t", "a");
    until("the topic is known", Duration::from_secs(60), || {
        second.bib(&["topic", "subscribe", "t"]).is_ok_and(|o| o.code == 0)
    })
    .unwrap();
    until("the first version", Duration::from_secs(60), || bib_node_tests::has(&second, "t/a")).unwrap();
    let two = upload(&first, &file(lab.path(), "a.txt", b"two"), "t", "a");
    until("the announced version", Duration::from_secs(20), || {
        second
            .json(&["dataset", "get", "t/a"])
            .is_ok_and(|a| a["version"]["id"] == two["id"] && a["version"]["complete"] == true)
    })
    .unwrap();
}
