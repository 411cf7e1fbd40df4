//! Where links lead: from another site to the page that is meant, from a column to its rows, and from a page to its line for
//! the command line.

use crate::support::web::{Answer, ask, get, signed_in};
use crate::support::{Item, Node, Person, run, upload};

const TABLE: &str = "/datasets/weather/all/v/1/table";

async fn prepared(rows: usize) -> (Node, String) {
    let node = Node::start().await;
    node.topic("weather").await;
    let rosa = node.client(Person::Rosa).await;
    let rows: String = (0..rows).map(|n| format!("{},{n}\n", ["A", "B"][n % 2])).collect();
    upload(&rosa, "weather/all", &[Item::file("w.csv", format!("site,n\n{rows}"))]).await.unwrap();
    let cookie = signed_in(&node).await;
    (node, cookie)
}

/// A text as a part of an address.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A text of a page as it is read.
fn plain(html: &str) -> String {
    [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .iter()
        .fold(html.to_owned(), |text, (escaped, sign)| text.replace(escaped, sign))
}

/// The page's line for the command line.
fn line(page: &Answer) -> String {
    let after = page.body.split("<code id=\"cli\">").nth(1).unwrap_or_else(|| panic!("no line in {}", page.body));
    plain(after.split("</code>").next().unwrap())
}

/// A browser leaves a cookie that is `SameSite=Strict` behind when another site leads to a page, and says that one does also
/// where it is led on to. A page that leads on begins anew.
#[test]
fn a_link_on_another_site_leads_to_its_page() {
    run(async {
        let (node, cookie) = prepared(1).await;
        let asked = |path: String, site: &'static str, cookie: String| {
            let address = node.web;
            async move {
                let headers = [
                    ("sec-fetch-site", site),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                    ("cookie", cookie.as_str()),
                ];
                ask(address, &format!("GET {path}"), &headers, "").await
            }
        };
        let shared = format!("{TABLE}?f={}&sort=n", encoded("r.n >= 0"));
        let first = asked(shared.clone(), "cross-site", String::new()).await;
        let sign_in = first.header("location");
        assert!(first.status == 303 && sign_in.starts_with("/login?next="), "{}", first.head);
        let led = asked(sign_in, "cross-site", String::new()).await;
        assert_eq!((led.status, led.header("set-cookie").as_str()), (200, ""), "{}", led.head);
        let next = led.body.split("content=\"0;url=").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(plain(next), shared);
        // a policy that would keep the browser from going on has this
        assert!(!led.header("content-security-policy").contains("sandbox"), "{}", led.head);
        let page = asked(plain(next), "same-origin", cookie).await;
        assert!(page.status == 200 && page.body.contains("w.csv"), "{}", page.body);
        // who has no session comes to the form, and in no circle
        let none = asked(shared, "same-origin", String::new()).await;
        let form = asked(none.header("location"), "same-origin", String::new()).await;
        assert!(form.status == 200 && form.body.contains("name=\"signature\""), "{}", form.body);
    });
}

#[test]
fn a_comment_in_a_filter_swallows_no_condition() {
    run(async {
        let (node, cookie) = prepared(10).await;
        let address = format!("{TABLE}?stats=wait&f={}", encoded("r.n > 3 // the later ones"));
        let page = get(&node, &address, &cookie).await;
        assert!(page.status == 200 && page.body.contains(">6 of 10 rows"), "{}", page.body);
        let links = page.body.split(" href=\"").skip(1).map(|rest| plain(rest.split('"').next().unwrap()));
        let narrowed: Vec<String> = links.filter(|link| link.contains("f=r.n+%3E+3+%26%26+")).collect();
        assert!(!narrowed.is_empty(), "{}", page.body);
        for link in &narrowed {
            let page = get(&node, link, &cookie).await;
            assert_eq!(page.status, 200, "{link}: {}", page.body);
        }
        let site = narrowed.iter().find(|link| link.contains("%22A%22")).unwrap();
        let page = get(&node, site, &cookie).await;
        assert!(page.body.contains(">3 of 10 rows"), "{site}: {}", page.body);
    });
}

#[test]
fn the_line_for_the_command_line_gives_the_rows_of_the_page() {
    run(async {
        let (node, cookie) = prepared(150).await;
        let filter = encoded("r.n > 3 // the later ones");
        for (page, count, first) in [(1, "100 rows", "149"), (2, "46 rows", "49")] {
            let address = format!("{TABLE}?f={filter}&sort=n&dir=desc&page={page}");
            let line = line(&get(&node, &address, &cookie).await);
            let query = line.strip_prefix("bib dataset query '").and_then(|rest| rest.strip_suffix("' --limit 100"));
            let query = query.unwrap_or_else(|| panic!("{line}"));
            let limited = format!("/query.json?q={}", encoded(&format!("{query}.limit(100)")));
            let rows: Vec<serde_json::Value> = serde_json::from_str(&get(&node, &limited, &cookie).await.body).unwrap();
            assert_eq!(
                (format!("{} rows", rows.len()).as_str(), rows[0]["n"].to_string().as_str()),
                (count, first),
                "{line}"
            );
        }
        for (path, expected) in [
            (
                "/audit?action=topic.&actor=user%3Aada+x&before=9",
                "bib admin audit list --action topic. --actor 'user:ada x' --before 9",
            ),
            ("/audit", "bib admin audit list"),
            ("/datasets?topic=weather&text=", "bib dataset list --topic weather"),
            ("/topics", "bib topic list"),
        ] {
            assert_eq!(line(&get(&node, path, &cookie).await), expected);
        }
        let found = line(&get(&node, "/datasets?text=A.l", &cookie).await);
        assert!(found.starts_with("bib dataset list --filter 'name.matches(\"(?i)A\\\\.l\") || "), "{found}");
    });
}
