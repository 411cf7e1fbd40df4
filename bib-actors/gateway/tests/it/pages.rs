//! The pages over a real socket, with a node behind them: signing in, what a session may do, forged requests, the stream
//! of events.

use crate::support::web::{Answer, ask, csrf, get, post, signed_in};
use crate::support::{Item, Node, Person, ed25519, eventually, hint, run, said, sign, upload};
use bib_domain::NodeMode;
use bib_proto::SIGN_IN_NAMESPACE;
use bib_proto::v1::{
    CreateOneTimeTokenRequest, CreateTopicRequest, ExchangeOneTimeTokenRequest, GetSignInChallengeRequest,
    GetTopicRequest, ListTopicsRequest, LogoutRequest, SignInRequest, WatchEventsRequest, WhoAmIRequest,
};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::{HashAlg, LineEnding, SshSig};
use std::time::Duration;
use tonic::Code;

fn armored(key: &PrivateKey, namespace: &str, text: &str) -> String {
    SshSig::sign(key, namespace, HashAlg::Sha512, text.as_bytes()).unwrap().to_pem(LineEnding::LF).unwrap()
}

#[test]
fn a_link_opens_one_session_for_who_made_it() {
    run(async {
        let node = Node::start().await;
        let (local, anonymous) = (node.local().await, node.anonymous().await);
        let exchange = |token: &str| {
            let (token, mut auth) = (token.to_owned(), anonymous.auth());
            async move { auth.exchange_one_time_token(ExchangeOneTimeTokenRequest { token }).await }
        };
        let made = local.auth().create_one_time_token(CreateOneTimeTokenRequest {}).await.unwrap().into_inner();
        assert_eq!(made.pages_url, format!("http://{}", node.web));
        let opened = exchange(&made.token).await.unwrap().into_inner();
        assert!(opened.user.starts_with("local:") && opened.role == "admin" && opened.token.starts_with("bibs_"));
        let again = exchange(&made.token).await.unwrap_err();
        assert_eq!(said(&again), (Code::Unauthenticated, "ONE_TIME_TOKEN_REFUSED".into()));
        assert_eq!(hint(&again), "bib ui");
        assert_eq!(said(&exchange("bibo_made-up").await.unwrap_err()).1, "ONE_TIME_TOKEN_REFUSED");

        let rita = node.client(Person::Rita).await;
        let made = rita.auth().create_one_time_token(CreateOneTimeTokenRequest {}).await.unwrap().into_inner();
        let late = rita.auth().create_one_time_token(CreateOneTimeTokenRequest {}).await.unwrap().into_inner();
        let opened = exchange(&made.token).await.unwrap().into_inner();
        assert_eq!((opened.user.as_str(), opened.role.as_str()), ("rita", "reader"), "no more than she may do");
        let own = rita.auth().who_am_i(WhoAmIRequest {}).await.unwrap().into_inner();
        assert_eq!(opened.expires_ms, own.expires_ms, "nor for longer");
        rita.auth().logout(LogoutRequest {}).await.unwrap();
        assert_eq!(said(&exchange(&late.token).await.unwrap_err()).1, "SESSION_EXPIRED");
        let records = node.audited("auth.login", "refused").await;
        assert!(records.iter().all(|record| record.actor == "anonymous"), "{records:?}");
        for record in node.records().await {
            let text = format!("{record:?}");
            assert!(!text.contains(&made.token) && !text.contains(&opened.token), "a token is in the log: {text}");
        }
    });
}

#[test]
fn a_signature_made_by_hand_opens_a_session_once() {
    run(async {
        let node = Node::with(|options| options.sessions.failures = 100).await;
        let client = node.anonymous().await;
        let (key, stranger) = (Person::Rita.key(), ed25519(99));
        let challenge = || async {
            client.auth().get_sign_in_challenge(GetSignInChallengeRequest {}).await.unwrap().into_inner().challenge
        };
        let sign_in = |challenge: String, signature: String| {
            let mut auth = client.auth();
            async move { auth.sign_in(SignInRequest { challenge, signature }).await }
        };
        let first = challenge().await;
        let signature = armored(&key, SIGN_IN_NAMESPACE, &first);
        let opened = sign_in(first.clone(), signature.clone()).await.unwrap().into_inner();
        assert_eq!((opened.user.as_str(), opened.role.as_str()), ("rita", "reader"));
        assert_eq!(said(&sign_in(first.clone(), signature).await.unwrap_err()).1, "CHALLENGE_REFUSED", "replayed");

        let cases: [(&str, &PrivateKey, &str, &str); 3] = [
            ("another purpose", &key, "file", "SIGNATURE_REFUSED"),
            ("a login's purpose", &key, "bib-login/1", "SIGNATURE_REFUSED"),
            ("a stranger", &stranger, SIGN_IN_NAMESPACE, "KEY_UNKNOWN"),
        ];
        for (what, key, namespace, reason) in cases {
            let next = challenge().await;
            let refused = sign_in(next.clone(), armored(key, namespace, &next)).await.unwrap_err();
            assert_eq!(said(&refused), (Code::Unauthenticated, reason.into()), "{what}");
        }
        let (one, two) = (challenge().await, challenge().await);
        let swapped = sign_in(two, armored(&key, SIGN_IN_NAMESPACE, &one)).await.unwrap_err();
        assert_eq!(said(&swapped).1, "SIGNATURE_REFUSED");
        // what signs a login over the wire is nothing here, nor the other way round
        let next = challenge().await;
        let raw = sign(&key, None, next.as_bytes()).1;
        let refused = sign_in(next, String::from_utf8_lossy(&raw).into_owned()).await.unwrap_err();
        assert_eq!(said(&refused).1, "SIGNATURE_REFUSED");
    });
}

#[test]
fn a_proxy_offers_nothing_that_it_would_refuse() {
    run(async {
        for (mode, offered) in [(NodeMode::Selective, true), (NodeMode::Proxy, false)] {
            let node = Node::with_pages(|pages| pages.mode = mode).await;
            let cookie = signed_in(&node).await;
            let none = get(&node, "/topics", &cookie).await.body;
            assert_eq!((none.contains("bib topic create"), none.contains("bib join")), (offered, !offered), "{none}");
            let request = CreateTopicRequest { name: "real".into(), ..Default::default() };
            node.local().await.topics().create_topic(request).await.unwrap();
            for (path, form) in
                [("/topics", "action=\"/topics\""), ("/topics/real", "action=\"/topics/real/subscribe\"")]
            {
                let page = get(&node, path, &cookie).await.body;
                assert_eq!(page.contains(form), offered, "{page}");
                assert_eq!(page.contains("read from others"), !offered, "{page}");
            }
        }
    });
}

#[test]
fn forged_requests_change_nothing() {
    run(async {
        let node = Node::start().await;
        let cookie = signed_in(&node).await;
        let token = csrf(&get(&node, "/topics", &cookie).await);
        let ours = format!("http://{}", node.web);
        let right = format!("_csrf={token}&name=");
        let forged = [
            ("no origin at all", vec![], right.clone()),
            ("another site", vec![("origin", "http://evil.example")], right.clone()),
            ("no site", vec![("origin", "null")], right.clone()),
            ("another port", vec![("origin", "http://127.0.0.1:1")], right.clone()),
            ("cross-site", vec![("origin", ours.as_str()), ("sec-fetch-site", "cross-site")], right.clone()),
            ("same-site", vec![("sec-fetch-site", "same-site")], right.clone()),
            ("another host", vec![("origin", "http://evil.example"), ("host", "evil.example")], right.clone()),
            ("no token", vec![("origin", ours.as_str())], "name=".to_owned()),
            ("another token", vec![("origin", ours.as_str())], format!("_csrf={}&name=", "0".repeat(64))),
        ];
        for (number, (what, more, body)) in forged.into_iter().enumerate() {
            let mut headers = vec![("cookie", cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
            headers.extend(more);
            let answer = ask(node.web, "POST /topics", &headers, &format!("{body}forged{number}")).await;
            assert_eq!(answer.status, 403, "{what}: {}", answer.body);
        }
        let topics = node.local().await.topics().list_topics(ListTopicsRequest::default()).await.unwrap().into_inner();
        assert!(topics.topics.is_empty(), "{topics:?}");

        let made = post(&node, "/topics", &cookie, &format!("{right}real")).await;
        assert_eq!((made.status, made.header("location").as_str()), (303, "/topics/real?done=created"));
        node.local().await.topics().get_topic(GetTopicRequest { name: "real".into() }).await.unwrap();
        // without a session, the form leads to the sign-in
        let stranger = post(&node, "/topics", "", "name=nobody").await;
        assert_eq!(stranger.status, 303);
        assert!(stranger.header("location").starts_with("/login"), "{}", stranger.head);
    });
}

#[test]
fn a_session_of_the_pages_is_the_persons_own() {
    run(async {
        let node = Node::start().await;
        let rita = node.client(Person::Rita).await;
        let made = rita.auth().create_one_time_token(CreateOneTimeTokenRequest {}).await.unwrap().into_inner();
        let opened = get(&node, &format!("/auth/ott?token={}&next=/topics", made.token), "").await;
        let set = opened.header("set-cookie");
        assert_eq!((opened.status, opened.header("location").as_str()), (303, "/topics"));
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && set.contains("Path=/"), "{set}");
        assert_eq!(opened.header("referrer-policy"), "no-referrer");
        let cookie = opened.cookie();
        let page = get(&node, "/topics", &cookie).await;
        assert!(page.status == 200 && page.body.contains("rita") && !page.body.contains(&made.token));
        assert!(!page.body.contains("action=\"/topics\""), "a reader is not shown what she may not do");

        let token = csrf(&page);
        let refused = post(&node, "/topics", &cookie, &format!("_csrf={token}&name=mine")).await;
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("role=\"alert\"") && refused.body.contains("ROLE_TOO_LOW"), "{}", refused.body);
        assert_eq!(get(&node, "/audit", &cookie).await.status, 403);
        let denied = node.audited("call.refuse", "refused").await;
        let from = |record: &bib_audit::AuditRecord| record.metadata("from") == Some("pages, 127.0.0.1");
        assert!(denied.iter().all(from), "{denied:?}");

        let out = post(&node, "/logout", &cookie, &format!("_csrf={token}")).await;
        assert_eq!(out.status, 303);
        let after = get(&node, "/topics", &cookie).await;
        assert!(after.header("location").starts_with("/login?next="), "{}", after.head);
    });
}

#[test]
fn another_site_signs_nobody_in() {
    run(async {
        let node = Node::start().await;
        let made = node.local().await.auth().create_one_time_token(CreateOneTimeTokenRequest {}).await.unwrap();
        let line = format!("GET /auth/ott?token={}&next=/topics", made.into_inner().token);
        for site in ["cross-site", "same-site"] {
            let led = ask(node.web, &line, &[("sec-fetch-site", site), ("sec-fetch-mode", "navigate")], "").await;
            assert_eq!((led.status, led.header("set-cookie").as_str()), (403, ""), "{}", led.head);
            assert!(led.body.contains("role=\"alert\"") && led.body.contains("address bar"), "{}", led.body);
        }
        // the link is still good for whoever opens it by hand
        let opened = ask(node.web, &line, &[("sec-fetch-site", "none")], "").await;
        assert_eq!((opened.status, opened.header("location").as_str()), (303, "/topics"), "{}", opened.head);
    });
}

#[test]
fn lists_are_also_for_programs() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let cookie = signed_in(&node).await;
        let json = get(&node, "/topics.json", &cookie).await;
        let rows: serde_json::Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(rows[0]["name"], "weather");
        let csv = get(&node, "/topics.csv", &cookie).await;
        assert!(csv.body.starts_with("name,description,owner,") && csv.body.contains("\nweather,"), "{}", csv.body);
        for path in
            ["/", "/datasets", "/topics/weather", "/nodes", "/audit", "/datasets.json", "/nodes.csv", "/audit.csv"]
        {
            assert_eq!(get(&node, path, &cookie).await.status, 200, "{path}");
        }
        let none = get(&node, "/topics/none", &cookie).await;
        assert!(none.status == 404 && none.body.contains("bib topic create none"), "{}", none.body);
        let typed = csrf(&get(&node, "/topics", &cookie).await);
        let wrong = post(&node, "/topics", &cookie, &format!("_csrf={typed}&name=Not+A+Name")).await;
        assert!(wrong.status == 422 && wrong.body.contains("role=\"alert\""), "{}", wrong.body);
        assert!(wrong.body.contains("value=\"Not A Name\"") && wrong.body.contains("aria-invalid"), "{}", wrong.body);
    });
}

#[test]
fn events_are_signals_with_positions() {
    run(async {
        let mut node = Node::start().await;
        let client = node.local().await;
        let mut news = client.nodes().watch_events(WatchEventsRequest { after: 0 }).await.unwrap().into_inner();
        let begin = news.message().await.unwrap().unwrap();
        assert_eq!(begin.kind, "begin");
        let request = CreateTopicRequest { name: "weather".into(), ..Default::default() };
        client.topics().create_topic(request).await.unwrap();
        let made = loop {
            let signal = news.message().await.unwrap().unwrap();
            if signal.kind == "topics" {
                break signal;
            }
        };
        assert!(made.seq > begin.seq && made.subject == "weather", "{made:?}");

        // whoever was away gets what came meanwhile
        let again = client.nodes().watch_events(WatchEventsRequest { after: begin.seq }).await.unwrap();
        let mut again = again.into_inner();
        let (first, second) = (again.message().await.unwrap().unwrap(), again.message().await.unwrap().unwrap());
        assert_eq!((first.kind.as_str(), first.seq), ("begin", begin.seq));
        assert!(second.seq > begin.seq, "{second:?}");

        // and after a restart everything is to be read again
        node.gate.stop().await;
        node.gate.start().await.unwrap();
        let later = node.local().await.nodes().watch_events(WatchEventsRequest { after: made.seq }).await.unwrap();
        let mut later = later.into_inner();
        assert_eq!(later.message().await.unwrap().unwrap().kind, "begin");
        let resync = later.message().await.unwrap().unwrap();
        assert!(resync.kind == "resync" && resync.seq > made.seq, "{resync:?}");
    });
}

/// A stream of events like a browser's, if it is given one; dropping it is closing the page.
async fn stream_of_events(node: &Node, cookie: &str) -> Option<tokio::net::TcpStream> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(node.web).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nhost: {}\r\ncookie: {cookie}\r\n\r\n", node.web);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    (&answer == b"HTTP/1.1 200").then_some(stream)
}

#[test]
fn a_page_that_was_closed_gives_its_stream_back_at_once() {
    run(async {
        let node = Node::with(|options| options.transfers.event_streams = 1).await;
        let cookie = signed_in(&node).await;
        let one = stream_of_events(&node, &cookie).await.unwrap();
        assert!(stream_of_events(&node, &cookie).await.is_none(), "there is more than one");
        drop(one);
        // sooner than a sign of life, which finds out too
        let again = eventually("the place is free", || async { stream_of_events(&node, &cookie).await.is_some() });
        assert!(tokio::time::timeout(Duration::from_secs(10), again).await.is_ok(), "the stream is still held");
    });
}

/// Of a page that is shown again only its frame is made anew; what it shows is what the API gives at that moment.
#[test]
fn a_table_that_was_drawn_before_is_shown_as_it_is_now() {
    run(async {
        let node = Node::start().await;
        node.topic("weather").await;
        let rosa = node.client(Person::Rosa).await;
        let rows = |count: usize| format!("site,n\n{}", "A,1\n".repeat(count));
        upload(&rosa, "weather/all", &[Item::file("w.csv", rows(150))]).await.unwrap();
        let cookie = signed_in(&node).await;
        let table = "/datasets/weather/all/v/1/table";
        // how long it took is the only thing that differs
        let shown = |page: &Answer| {
            assert_eq!(page.status, 200, "{}", page.body);
            let (before, after) = page.body.split_once(" ms</p>").unwrap();
            (before.rsplit_once(" · ").unwrap().0.to_owned(), after.to_owned())
        };
        let first = get(&node, &format!("{table}?stats=wait"), &cookie).await;
        let plain = get(&node, table, &cookie).await;
        let again = get(&node, table, &cookie).await;
        assert_eq!(shown(&again), shown(&plain));
        assert_eq!(plain.body.matches("<tr").count(), first.body.matches("<tr").count());
        eventually("the table is not drawn again", || async {
            let records = node.audited("dataset.page", "ok").await;
            records.iter().any(|record| record.metadata("not_modified") == Some("true"))
        })
        .await;

        let last = get(&node, &format!("{table}?page=2"), &cookie).await;
        assert!(last.body.matches("<tr").count() < plain.body.matches("<tr").count(), "50 rows and 100");
        assert_eq!(shown(&get(&node, &format!("{table}?page=2"), &cookie).await), shown(&last));
        // another session has its own frame around the same table
        let (other, grid) = (signed_in(&node).await, |page: &Answer| {
            page.body.split("<table").nth(1).unwrap().split("</table>").next().unwrap().to_owned()
        });
        let theirs = get(&node, table, &other).await;
        assert_eq!(grid(&theirs), grid(&plain));
        assert!(csrf(&theirs) != csrf(&plain));
        assert_eq!(get(&node, table, "").await.status, 303, "nobody sees it without a session");

        upload(&rosa, "weather/all", &[Item::file("w.csv", rows(3))]).await.unwrap();
        let newer = get(&node, &table.replace("/v/1/", "/v/2/"), &cookie).await;
        assert!(newer.body.contains(">3 rows") && !newer.body.contains("150 rows"), "{}", newer.body);
        assert_eq!(shown(&get(&node, table, &cookie).await), shown(&plain), "a version never changes");
    });
}
