//! An honest reader of the pages: somebody who is signed in and opens one page after the other.

use anyhow::{Context, ensure};
use bib_node_tests::Node;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the reader waits for a connection, and for anything more to come.
const PATIENT: Duration = Duration::from_secs(30);

/// Reads pages with a session, over a new connection for each.
pub(crate) struct Reader {
    target: SocketAddr,
    cookie: String,
}

impl Reader {
    /// Signs in with the link that `bib ui` gives.
    pub(crate) fn sign_in(node: &Node) -> anyhow::Result<Self> {
        let link = node.bib(&["ui", "--print-url", "-q"])?.ok()?.stdout;
        let path = link.trim().find("/auth/").map(|at| &link.trim()[at..]).context("a link with a path")?;
        let answer = get(node.web(), path, "")?;
        let cookie = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("set-cookie").then(|| value.split(';').next().unwrap_or_default().trim())
        });
        let cookie = cookie.with_context(|| format!("the link of bib ui gives no cookie: {}", first_line(&answer)))?;
        Ok(Self { target: node.web(), cookie: cookie.to_owned() })
    }

    /// Reads a page, which is to say `word`.
    pub(crate) fn read(&self, path: &str, word: &str) -> anyhow::Result<()> {
        let answer = get(self.target, path, &self.cookie)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{path} answers {:?}", first_line(&answer));
        ensure!(answer.contains("</html>"), "{path} comes to no end");
        ensure!(answer.contains(word), "{path} does not say {word}");
        Ok(())
    }
}

fn first_line(answer: &str) -> &str {
    answer.lines().next().unwrap_or_default()
}

fn get(target: SocketAddr, path: &str, cookie: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, PATIENT)?;
    stream.set_read_timeout(Some(PATIENT))?;
    let cookie = if cookie.is_empty() { String::new() } else { format!("Cookie: {cookie}\r\n") };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n{cookie}\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
