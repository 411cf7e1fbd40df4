//! A browser without a screen: requests to the pages over a real socket.

use super::Node;
use bib_proto::v1::CreateOneTimeTokenRequest;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One answer of the web server.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> String {
        let found = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        found.unwrap_or_default()
    }

    /// Name and value of the cookie that was set.
    pub(crate) fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

/// One request from another thread: the actors of the node run on this one.
pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = format!("{line} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| *name == "host") {
        request.push_str(&format!("host: {address}\r\n"));
    }
    request.push_str(&format!("\r\n{body}"));
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let text = tokio::task::spawn_blocking(talk).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

pub(crate) async fn get(node: &Node, path: &str, cookie: &str) -> Answer {
    ask(node.web, &format!("GET {path}"), &[("cookie", cookie)], "").await
}

/// A form as a browser sends it from one of our pages.
pub(crate) async fn post(node: &Node, path: &str, cookie: &str, body: &str) -> Answer {
    let origin = format!("http://{}", node.web);
    let headers = [
        ("cookie", cookie),
        ("origin", origin.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    ask(node.web, &format!("POST {path}"), &headers, body).await
}

/// Signs in by the link that the node's owner makes.
pub(crate) async fn signed_in(node: &Node) -> String {
    let made = node.local().await.auth().create_one_time_token(CreateOneTimeTokenRequest {}).await.unwrap();
    let answer = get(node, &format!("/auth/ott?token={}", made.into_inner().token), "").await;
    assert_eq!((answer.status, answer.header("location").as_str()), (303, "/"));
    answer.cookie()
}

pub(crate) fn csrf(page: &Answer) -> String {
    let after = page.body.split("name=\"_csrf\" value=\"").nth(1).unwrap();
    after.split('"').next().unwrap().to_owned()
}
