//! Finds the empty lines that end the heads of requests.

/// Where in a line the last byte left off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// At its beginning: what comes first decides whether it is empty.
    #[default]
    Start,
    /// After a carriage return at its beginning.
    Return,
    /// Within its text.
    Text,
}

/// Looks at the bytes of a connection one after another.
#[derive(Debug, Default)]
pub(super) struct Seam {
    at: At,
    /// Behind the first line of a head.
    later: bool,
    /// The last byte was a carriage return.
    returned: bool,
}

impl Seam {
    /// How many of these bytes lie before the end of the first empty line in them, that line included, and whether there
    /// is one. Only those were looked at: the next call begins behind them.
    pub(super) fn cut(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, byte) in bytes.iter().enumerate() {
            self.returned = *byte == b'\r';
            self.later |= *byte == b'\n';
            self.at = match (self.at, byte) {
                (At::Start | At::Return, b'\n') => {
                    *self = Self::default();
                    return (index + 1, true);
                }
                (At::Text, b'\n') => At::Start,
                (At::Start, b'\r') => At::Return,
                _ => At::Text,
            };
        }
        (bytes.len(), false)
    }

    /// What ends the head here, whatever of it has been there. A first line ends as one of HTTP/1.0, which needs no `Host`
    /// behind it.
    pub(super) const fn ending(&self) -> &'static [u8] {
        match (self.at, self.later) {
            (At::Start, true) => b"\r\n",
            (At::Return, true) => b"\n",
            (At::Text, _) if self.returned => b"\n\r\n",
            // within a name or a value
            (At::Text, true) => b": \r\n\r\n",
            (_, false) => b" HTTP/1.0\r\n\r\n",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, step: usize) -> Vec<String> {
        let (mut seam, mut out, mut piece) = (Seam::default(), Vec::new(), String::new());
        for part in text.as_bytes().chunks(step) {
            let mut rest = part;
            while !rest.is_empty() {
                let (taken, ended) = seam.cut(rest);
                piece.push_str(std::str::from_utf8(&rest[..taken]).unwrap());
                rest = &rest[taken..];
                if ended {
                    out.push(std::mem::take(&mut piece));
                }
            }
        }
        out.push(piece);
        out
    }

    #[test]
    fn a_head_is_ended_wherever_it_is() {
        for (begun, whole) in [
            ("GET /query?q=aaa", "GET /query?q=aaa HTTP/1.0\r\n\r\n"),
            ("GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n\r\n"),
            ("GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\n\r\n"),
            ("GET / HTTP/1.1\r\nCookie", "GET / HTTP/1.1\r\nCookie: \r\n\r\n"),
            ("GET / HTTP/1.1\r\nCookie: a=b", "GET / HTTP/1.1\r\nCookie: a=b: \r\n\r\n"),
            ("GET / HTTP/1.1\r\nCookie: a\r\n\r", "GET / HTTP/1.1\r\nCookie: a\r\n\r\n"),
        ] {
            let mut seam = Seam::default();
            assert!(seam.cut(b"GET /before HTTP/1.1\r\nA: b\r\n\r\n").1);
            assert_eq!(seam.cut(begun.as_bytes()), (begun.len(), false));
            let ended = [begun.as_bytes(), seam.ending()].concat();
            assert_eq!(String::from_utf8(ended.clone()).unwrap(), whole);
            assert_eq!(Seam::default().cut(&ended), (ended.len(), true), "{begun:?}");
        }
    }

    #[test]
    fn heads_are_cut_wherever_the_bytes_are() {
        let text = "GET / HTTP/1.0\r\n\r\nGET /a HTTP/1.1\nHost: x\n\nPOST / HTTP/1.1\r\nA: b\r\n\nform\r\rmore";
        let wanted =
            ["GET / HTTP/1.0\r\n\r\n", "GET /a HTTP/1.1\nHost: x\n\n", "POST / HTTP/1.1\r\nA: b\r\n\n", "form\r\rmore"];
        for step in 1..=text.len() {
            assert_eq!(pieces(text, step), wanted, "in steps of {step}");
        }
    }
}
