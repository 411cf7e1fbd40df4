//! It answers, and it is gone after the drop.

use super::support::{ask, serve, status};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    ask(address, &format!("GET {path}"), &[("host", "localhost")], "")
}

#[test]
fn serves_until_dropped_and_the_port_can_be_bound_again() {
    let served = serve();
    let address = served.server.address();
    let live = get(address, "/livez").unwrap();
    assert!(live.starts_with("HTTP/1.1 200 OK") && live.ends_with("ok\n"), "{live}");
    let ready = get(address, "/readyz").unwrap();
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("\"incarnation\":2"), "{ready}");
    drop(served);
    // closing is another thread's work: wait for it, but not for ever
    let deadline = 200;
    let free = (0..deadline).any(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(25));
        TcpListener::bind(address).is_ok()
    });
    assert!(free, "the port is still bound");
}

#[test]
fn every_answer_carries_the_headers_that_keep_others_out() {
    let served = serve();
    let at = served.server.address();
    let refused = ask(at, "GET /login", &[("host", "evil.example")], "").unwrap();
    let paths = ["/livez", "/login", "/", "/nothing/here", "/assets/none.js"];
    let answers = paths.map(|path| (path, get(at, path).unwrap())).into_iter().chain([("another host", refused)]);
    for (path, answer) in answers {
        let answer = answer.to_lowercase();
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(answer.contains(header), "{path} lacks {header}: {answer}");
        }
    }
}

#[test]
fn a_node_that_starts_is_said_to_start() {
    let served = serve();
    let login = get(served.server.address(), "/login").unwrap();
    assert_eq!(status(&login), 503, "{login}");
    assert!(login.contains("role=\"alert\"") && login.contains("Load this page again"), "{login}");
    let home = get(served.server.address(), "/").unwrap();
    assert_eq!(status(&home), 303);
    assert!(home.to_lowercase().contains("location: /login"), "{home}");
}

#[test]
fn assets_are_kept_for_ever_under_their_hash() {
    let served = serve();
    let login = get(served.server.address(), "/login").unwrap();
    let assets: Vec<&str> = login.split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert!(assets.len() >= 4, "{login}");
    for asset in assets {
        let answer = get(served.server.address(), asset).unwrap();
        assert_eq!(status(&answer), 200, "{asset}");
        assert!(answer.contains("max-age=31536000, immutable"), "{asset}");
        let other = asset.replacen('.', ".0", 1);
        assert_eq!(status(&get(served.server.address(), &other).unwrap()), 404, "{other}");
    }
}

#[test]
fn requests_behind_each_other_are_answered_in_turn() {
    let served = serve();
    let mut stream = TcpStream::connect(served.server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let paths = ["/livez", "/", "/readyz", "/nothing/here"].repeat(30);
    stream.write_all(paths.iter().map(|path| one(path)).collect::<String>().as_bytes()).unwrap();
    let mut answers = BufReader::new(stream);
    for path in paths {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let from = head.len();
            assert!(answers.read_line(&mut head).unwrap() > 0, "{path}: the answers end after {head}");
            let line = head[from..].to_lowercase();
            length = line.strip_prefix("content-length:").map_or(length, |value| value.trim().parse().unwrap());
        }
        answers.read_exact(&mut vec![0; length]).unwrap();
        let wanted = match path {
            "/livez" => 200,
            "/" => 303,
            "/readyz" => 503,
            _ => 404,
        };
        assert_eq!(status(&head), wanted, "{path}");
    }
}

#[test]
fn who_sends_too_long_an_address_is_told_so() {
    let served = serve();
    let at = served.server.address();
    let long = |length: usize| "a".repeat(length);
    for length in [33 << 10, 65_536, 100 << 10] {
        for (line, cookie) in
            [(format!("GET /query?q={}", long(length)), String::new()), ("GET /".into(), long(length))]
        {
            let answer = ask(at, &line, &[("host", "localhost"), ("cookie", &cookie)], "").unwrap();
            assert_eq!(status(&answer), 431, "{answer}");
            assert!(answer.contains("32,768 bytes") && answer.contains("bib dataset query"), "{answer}");
            let head = answer.to_lowercase();
            // an answer of HTTP/1.0 ends its connection without saying so
            let closes = head.contains("connection: close") || head.starts_with("http/1.0 ");
            assert!(closes && head.contains("content-security-policy: "), "{answer}");
        }
    }
    // what fits is a request like any other
    let answer = get(at, &format!("/query?q={}", long(30 << 10))).unwrap();
    assert!(status(&answer) == 303 && answer.contains("/login?next=%2Fquery"), "{answer}");
}

/// A form in pieces has no length, so nothing says how much of it is still to come.
#[test]
fn who_was_told_so_and_never_ends_its_form_is_let_go() {
    let served = serve();
    let mut stream = TcpStream::connect(served.server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = "POST /login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nCookie: ";
    stream.write_all(format!("{head}{}", "a".repeat(40 << 10)).as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(status(&text), 431, "{text}");
}

/// The rest of a request that was cut is not read as another one.
#[test]
fn behind_an_address_that_is_too_long_nothing_is_answered() {
    let served = serve();
    let mut stream = TcpStream::connect(served.server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let first = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(40 << 10));
    stream.write_all(format!("{first}{long}{first}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let answers: Vec<u16> = text.split("HTTP/1.").skip(1).map(|answer| answer[2..5].parse().unwrap()).collect();
    assert_eq!(answers, [200, 431], "{text}");
}
