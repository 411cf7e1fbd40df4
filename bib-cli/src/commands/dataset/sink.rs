//! Where rows go that are not written to a file: standard output, as they are or as `--jq` shows them.

use crate::output::{Jq, Tame, end_if_failed, line};
use serde_json::Value;
use std::io::{self, Write};
use std::sync::Arc;

/// The most bytes that are held to make one document of all rows; row by row there is no such bound.
const DOCUMENT_BYTES: usize = 256 << 20;

/// Standard output; a closed pipe ends the program quietly, whichever writer notices it. A terminal gets no control
/// characters, a program or a file gets every byte.
pub(super) struct Printed {
    pub(super) tame: Option<Tame>,
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.tame {
            Some(tame) => io::stdout().write_all(&tame.clean(bytes)).map(|()| bytes.len()),
            None => io::stdout().write(bytes),
        };
        match written {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                end_if_failed(Err(error));
                Ok(0)
            }
            outcome => outcome,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = io::stdout().flush();
        end_if_failed(flushed);
        Ok(())
    }
}

/// Why an expression could not be applied, on its way through a writer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

/// Takes JSON, prints what an expression makes of it: of each line, or of all of it as one document.
pub(super) struct Filtered {
    jq: Arc<Jq>,
    whole: bool,
    held: Vec<u8>,
}

impl Filtered {
    /// `whole`: what is written is one document, which is known when it can be parsed.
    pub(super) const fn new(jq: Arc<Jq>, whole: bool) -> Self {
        Self { jq, whole, held: Vec::new() }
    }

    fn show(&self, document: &[u8]) -> io::Result<()> {
        if document.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(document)?;
        let lines = self.jq.lines(&value).map_err(|error| io::Error::other(Refused(error.message)))?;
        lines.iter().for_each(|text| line(text));
        Ok(())
    }
}

impl Write for Filtered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.whole {
            if self.held.len() > DOCUMENT_BYTES {
                let text = "the rows are too many for one document; row by row: -o jsonl --jq";
                return Err(io::Error::other(Refused(text.to_owned())));
            }
            return Ok(bytes.len());
        }
        let Some(end) = self.held.iter().rposition(|byte| *byte == b'\n') else { return Ok(bytes.len()) };
        let rest = self.held.split_off(end + 1);
        let lines = std::mem::replace(&mut self.held, rest);
        lines.split(|byte| *byte == b'\n').try_for_each(|row| self.show(row))?;
        Ok(bytes.len())
    }

    /// The last flush comes when all is written; one before that finds no whole document.
    fn flush(&mut self) -> io::Result<()> {
        let whole = self.whole && self.held.ends_with(b"]\n");
        if whole || !self.whole {
            let held = std::mem::take(&mut self.held);
            self.show(&held)?;
        }
        io::stdout().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_wait_until_they_are_whole() {
        let jq = Arc::new(Jq::new("select(.a > 1) | error(\"seen\")").unwrap());
        let mut lines = Filtered::new(Arc::clone(&jq), false);
        lines.write_all(b"{\"a\":1}\n{\"a\"").unwrap();
        assert_eq!(lines.held, b"{\"a\"");
        let error = lines.write_all(b":2}\n").unwrap_err();
        assert!(error.get_ref().unwrap().downcast_ref::<Refused>().unwrap().0.contains("seen"));
        let mut document = Filtered::new(Arc::new(Jq::new("map(.a) | error").unwrap()), true);
        document.write_all(b"[{\"a\":1},\n").unwrap();
        document.flush().unwrap();
        document.write_all(b"{\"a\":2}]\n").unwrap();
        assert!(document.flush().unwrap_err().get_ref().unwrap().to_string().contains("[1,2]"));
    }
}
