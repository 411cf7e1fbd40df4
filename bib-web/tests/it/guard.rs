//! What is refused before any page hears of it.

use super::support::{ask, serve, status};

#[test]
fn only_our_own_names_are_answered() {
    let served = serve();
    let at = served.server.address();
    let port = at.port();
    for host in
        [format!("127.0.0.1:{port}"), format!("localhost:{port}"), "localhost:8080".into(), "LAB-A.example".into()]
    {
        let answer = ask(at, "GET /login", &[("host", &host)], "").unwrap();
        assert_eq!(status(&answer), 503, "{host}: {answer}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:4080", "[::2]", "10.0.0.1"] {
        let answer = ask(at, "GET /login", &[("host", host)], "").unwrap();
        assert_eq!(status(&answer), 403, "{host}: {answer}");
        assert!(!answer.contains("12D3KooW"), "{host} learned something: {answer}");
    }
    assert_eq!(status(&ask(at, "GET /livez", &[("host", "10.0.0.1")], "").unwrap()), 200, "a probe");
}

#[test]
fn a_form_must_come_from_our_own_pages() {
    let served = serve();
    let at = served.server.address();
    let host = format!("127.0.0.1:{}", at.port());
    let ours = format!("http://{host}");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let origins: [(Option<&str>, bool); 7] = [
        (None, true),
        (Some(&ours), true),
        (Some("null"), false),
        (Some("http://evil.example"), false),
        (Some("https://127.0.0.1"), false),
        (Some("http://127.0.0.1:1"), false),
        (Some("http://localhost"), false),
    ];
    let sites = [
        (None, true),
        (Some("same-origin"), true),
        (Some("same-site"), false),
        (Some("cross-site"), false),
        (Some("none"), false),
        (Some("nonsense"), false),
    ];
    for (origin, origin_fits) in origins {
        for (site, site_fits) in sites {
            let mut headers = vec![("host", host.as_str()), form];
            headers.extend(origin.map(|origin| ("origin", origin)));
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            let answer = ask(at, "POST /theme", &headers, "theme=dark&to=/login").unwrap();
            let passes = origin_fits && site_fits && (origin.is_some() || site.is_some());
            assert_eq!(status(&answer), if passes { 303 } else { 403 }, "{origin:?} {site:?}: {answer}");
        }
    }
}

#[test]
fn with_a_session_a_form_must_carry_its_token() {
    let served = serve();
    let at = served.server.address();
    let host = format!("127.0.0.1:{}", at.port());
    let post = |cookie: &str, csrf: &str| {
        let headers = [
            ("host", host.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
            ("cookie", cookie),
        ];
        status(&ask(at, "POST /theme", &headers, &format!("theme=dark{csrf}")).unwrap())
    };
    let cookie = "bib-zZ1eDFGw=bibs_something";
    // SHA-256 of "bib-csrf/1\0bibs_something"
    let right = "8e719f9250f7245dec4f336559ebb307403255b4e940250a040a59756c79d238";
    assert_eq!(post(cookie, ""), 403, "no token");
    assert_eq!(post(cookie, "&_csrf="), 403, "an empty token");
    assert_eq!(post(cookie, &format!("&_csrf={}", "0".repeat(64))), 403, "another token");
    assert_eq!(post("bib-zZ1eDFGw=bibs_other", &format!("&_csrf={right}")), 403, "another session's token");
    assert_eq!(post(cookie, &format!("&_csrf={right}")), 303, "the right token");
    assert_eq!(post("other=1", ""), 303, "no session");
}

#[test]
fn another_site_may_lead_here_and_not_load_from_here() {
    let served = serve();
    let at = served.server.address();
    let get = |headers: &[(&str, &str)]| {
        let headers = [&[("host", "localhost"), ("sec-fetch-site", "cross-site")], headers].concat();
        status(&ask(at, "GET /login", &headers, "").unwrap())
    };
    assert_eq!(get(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]), 200);
    assert_eq!(get(&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")]), 403);
    assert_eq!(get(&[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]), 403);
    assert_eq!(get(&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]), 403);
}

#[test]
fn a_form_that_is_too_large_is_not_read() {
    let served = serve();
    let at = served.server.address();
    let headers = [
        ("host", "localhost"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let answer = ask(at, "POST /login", &headers, &"x".repeat(200 * 1024));
    // the server may close before all was sent
    assert!(answer.is_err() || status(&answer.unwrap()) == 403);
}

#[test]
fn a_form_without_a_session_leads_back_to_the_page_on_which_it_stands() {
    let served = serve();
    let at = served.server.address();
    let host = format!("127.0.0.1:{}", at.port());
    let ours = |path: &str| format!("http://{host}{path}");
    let sent = |line: &str, referer: Option<&str>| {
        let mut headers = vec![
            ("host", host.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        headers.extend(referer.map(|from| ("referer", from)));
        let answer = ask(at, line, &headers, "").unwrap();
        assert_eq!(status(&answer), 303, "{answer}");
        let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default();
        location.trim().to_owned()
    };
    let form = "POST /topics/weather/subscribe";
    let page = ours("/topics/weather?page=2#more");
    assert_eq!(sent(form, Some(&page)), "/login?next=%2Ftopics%2Fweather%3Fpage%3D2");
    assert_eq!(sent("POST /logout", Some(&ours("/audit"))), "/login?next=%2Faudit");
    for elsewhere in [
        None,
        Some("http://evil.example/topics"),
        Some("http://127.0.0.1:1/topics"),
        Some("http://localhost/topics"),
        Some("https://127.0.0.1/topics"),
        Some("/topics"),
        Some("nonsense"),
        Some(format!("http://{host}@evil.example/topics").as_str()),
        Some(format!("http://{host}.evil.example/topics").as_str()),
        Some(ours("").as_str()),
    ] {
        assert_eq!(sent(form, elsewhere), "/login", "{elsewhere:?}");
    }
    // a page is led back to itself, whatever page it was opened from
    assert_eq!(sent("GET /topics?page=2", Some(&ours("/audit"))), "/login?next=%2Ftopics%3Fpage%3D2");
}

/// The browser leaves the cookie behind on the way from another site, and also where it is led on from there.
#[test]
fn a_link_on_another_site_is_followed_once_more_from_here() {
    let served = serve();
    let at = served.server.address();
    let get = |line: &str, site: &str| {
        let headers = [
            ("host", "localhost"),
            ("sec-fetch-site", site),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        ask(at, line, &headers, "").unwrap()
    };
    let location = |answer: &str| {
        assert_eq!(status(answer), 303, "{answer}");
        answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_default().trim().to_owned()
    };
    for site in ["cross-site", "same-site"] {
        for (page, led) in [("/topics?page=a%22b", "/topics?page=a%22b"), ("/", "/")] {
            let sign_in = location(&get(&format!("GET {page}"), site));
            let answer = get(&format!("GET {sign_in}"), site);
            assert_eq!(status(&answer), 200, "{answer}");
            let refresh = format!("<meta http-equiv=\"refresh\" content=\"0;url={led}\">");
            assert!(answer.contains(&refresh) && answer.contains(&format!("<a href=\"{led}\">")), "{answer}");
            assert!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
            // what the page asks for comes from here; without a session that ends at the form
            let again = location(&get(&format!("GET {page}"), "same-origin"));
            assert_eq!(again, sign_in);
            let form = get(&format!("GET {again}"), "same-origin");
            assert!(!form.contains("http-equiv=\"refresh\"") && form.contains("Your SSH key is who you are"), "{form}");
        }
        for elsewhere in
            ["https://evil.example", "//evil.example", "/auth/ott?token=x", "/./auth/ott?token=x", "/%61uth/ott"]
        {
            let next: String = url::form_urlencoded::byte_serialize(elsewhere.as_bytes()).collect();
            let answer = get(&format!("GET /login?next={next}"), site);
            assert!(answer.contains("content=\"0;url=/\">"), "{elsewhere}: {answer}");
        }
    }
}

#[test]
fn what_is_refused_is_said_in_the_chosen_colours() {
    let served = serve();
    let at = served.server.address();
    for (line, host, expected) in [("GET /nothing/here", "localhost", 404), ("GET /login", "evil.example", 403)] {
        for (cookie, shown) in [
            ("bib-theme=dark", " data-theme=\"dark\""),
            ("bib-theme=light", " data-theme=\"light\""),
            ("bib-theme=no", ""),
        ] {
            let answer = ask(at, line, &[("cookie", cookie), ("host", host)], "").unwrap();
            assert_eq!(status(&answer), expected, "{line}: {answer}");
            assert!(answer.contains(&format!("<html lang=\"en\"{shown}>")), "{line} {cookie}: {answer}");
        }
    }
}

#[test]
fn where_a_form_was_sent_to_leads_back_to_its_page() {
    let served = serve();
    let at = served.server.address();
    for (path, page) in [
        ("/datasets/weather/all/verify?v=12ab", "/datasets/weather/all?v=12ab"),
        ("/datasets/weather/all/verify", "/datasets/weather/all"),
        ("/audit/verify", "/audit"),
        ("/nodes/invite", "/nodes"),
        ("/nodes/12D3KooW/forget", "/nodes/12D3KooW"),
        ("/topics/weather/subscribe", "/topics/weather"),
    ] {
        let answer = ask(at, &format!("GET {path}"), &[("host", "localhost")], "").unwrap();
        assert_eq!(status(&answer), 303, "{path}: {answer}");
        assert!(answer.contains(&format!("location: {page}\r\n")), "{path}: {answer}");
    }
}
