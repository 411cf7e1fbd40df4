//! A browser's connection, as small as it can be: one address after the other over a connection that stays open.

use anyhow::{Context, ensure};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection to a port of this machine.
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    port: u16,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Header lines as they came.
    head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Http {
    pub(crate) fn connect(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connect")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream), port })
    }

    /// Asks for a page; `cookie` may be empty.
    pub(crate) fn get(&mut self, path: &str, cookie: &str) -> anyhow::Result<Answer> {
        let cookie = if cookie.is_empty() { String::new() } else { format!("cookie: {cookie}\r\n") };
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n{cookie}\r\n", self.port);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        let status = head.first().and_then(|line| line.split(' ').nth(1)?.parse().ok()).context("a status line")?;
        let mut answer = Answer { status, head, body: Vec::new() };
        if answer.header("transfer-encoding") == "chunked" {
            while self.chunk(&mut answer.body)? {}
        } else {
            let length = answer.header("content-length").parse().context("the length of the answer")?;
            answer.body.resize(length, 0);
            self.stream.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn chunk(&mut self, body: &mut Vec<u8>) -> anyhow::Result<bool> {
        let length = usize::from_str_radix(&self.line()?, 16).context("the length of a chunk")?;
        let begun = body.len();
        body.resize(begun + length, 0);
        self.stream.read_exact(&mut body[begun..])?;
        ensure!(self.line()?.is_empty(), "a chunk that does not end where it should");
        Ok(length > 0)
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the connection was closed");
        Ok(line.trim_end().to_owned())
    }
}

impl Answer {
    /// The first header of that name; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        found.unwrap_or_default()
    }

    /// Name and value of the cookie that was set.
    pub(crate) fn cookie(&self) -> &str {
        self.header("set-cookie").split(';').next().unwrap_or_default()
    }
}
