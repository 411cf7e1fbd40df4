//! The first page: how the node is, what it has, what to do first, what needs attention.

use crate::support::web::{get, signed_in};
use crate::support::{Item, Node, Person, run, upload};
use bib_kit::ActorState;

/// What stands in a page between two texts.
fn between<'p>(page: &'p str, from: &str, to: &str) -> &'p str {
    let after = page.split_once(from).unwrap_or_else(|| panic!("no {from} in {page}")).1;
    after.split_once(to).unwrap_or_else(|| panic!("no {to} behind {from} in {page}")).0
}

#[test]
fn it_shows_what_the_node_has_and_on_an_empty_one_what_to_do_first() {
    run(async {
        let node = Node::start().await;
        let cookie = signed_in(&node).await;
        let empty = get(&node, "/", &cookie).await.body;
        assert!(empty.contains("<h1>test node serves. All 1 of its actors run.</h1>"), "{empty}");
        let steps = between(&empty, "First steps</h2>", "</ol>");
        for command in ["bib topic create weather", "bib dataset upload stations.csv", "bib invite"] {
            assert!(steps.contains(command), "{command}: {steps}");
        }
        assert!(!steps.contains("is-done") && empty.contains("Nothing is on its way."), "{empty}");

        node.topic("weather").await;
        let begun = get(&node, "/", &cookie).await.body;
        assert!(between(&begun, "First steps</h2>", "</ol>").contains("is-done"), "{begun}");
        let rosa = node.client(Person::Rosa).await;
        for bytes in ["1", "22"] {
            upload(&rosa, "weather/all", &[Item::file("a.txt", bytes)]).await.unwrap();
        }
        let page = get(&node, "/", &cookie).await.body;
        assert!(!page.contains("First steps"), "{page}");
        let figures = between(&page, "<dl class=\"figures\">", "</dl>");
        for figure in [
            "<dt><a href=\"/topics\">Topics</a></dt><dd>1</dd>",
            "<dt><a href=\"/datasets\">Datasets</a></dt><dd>1 <small>2 versions</small></dd>",
            "<dt><a href=\"/nodes\">Nodes</a></dt><dd>0 <small>0 connected</small></dd>",
        ] {
            assert!(figures.contains(figure), "{figure}: {figures}");
        }
        let store = node.guardian.chunks().stats();
        let store = format!("<dt>Store</dt><dd>{} B <small>{} chunks</small></dd>", store.bytes, store.chunks);
        assert!(figures.contains(&store), "{store}: {figures}");
        let facts = between(&page, "This node</h2>", "</dl>");
        assert!(facts.contains(node.identity.node_id().as_str()), "{facts}");
        let fingerprint = format!("sha256:{}", hex::encode(node.listening.tls_fingerprint));
        assert!(facts.contains(&fingerprint), "{facts}");
    });
}

#[test]
fn it_shows_each_actor_with_its_restarts_and_what_needs_attention() {
    run(async {
        let node = Node::start().await;
        let cookie = signed_in(&node).await;
        let row = |page: &str| between(page, "<tr id=\"actor-gateway\">", "</tr>").to_owned();
        let well = get(&node, "/", &cookie).await.body;
        assert!(row(&well).contains("<span class=\"state ok\">running</span>"), "{well}");
        assert!(row(&well).contains("<td class=\"num\">0</td>") && row(&well).contains(">none</span>"), "{well}");

        node.board.update("gateway", |actor| {
            (actor.incarnation, actor.restarts) = (4, 3);
            actor.last_failure = Some("panicked: <injected>".to_owned());
            actor.last_failure_ms = Some(1_700_000_000_000);
        });
        node.board.warn("clock", Some("The clock jumped by an hour.".to_owned()));
        let hurt = get(&node, "/", &cookie).await.body;
        let actor = row(&hurt);
        assert!(actor.contains("<td class=\"num\">4</td>") && actor.contains("<td class=\"num\">3</td>"), "{actor}");
        assert!(actor.contains("panicked: &#60;injected&#62;"), "{actor}");
        assert!(actor.contains("2023-11-14T22:13:20.000Z"), "{actor}");
        let attention = between(&hurt, "Needs attention</h2>", "</section>");
        for text in ["gateway was restarted 3 times. <code>bib doctor</code>", "The clock jumped by an hour."] {
            assert!(attention.contains(text), "{text}: {attention}");
        }

        node.board.register("swarm", 4, None);
        node.board.update("swarm", |actor| actor.state = ActorState::Backoff);
        let away = get(&node, "/", &cookie).await.body;
        assert!(away.contains("<h1>test node is not whole: its swarm does not run.</h1>"), "{away}");
        assert!(between(&away, "Needs attention</h2>", "</section>").contains("swarm is restarting"), "{away}");
        let swarm = between(&away, "<tr id=\"actor-swarm\">", "</tr>");
        assert!(swarm.contains("<span class=\"state warn\">restarting</span>"), "{swarm}");
    });
}
