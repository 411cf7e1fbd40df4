//! The end of a log, for error messages.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a log stands in a message.
const BYTES: u64 = 2000;
const LINES: usize = 6;

/// The last lines of a file in one line of text.
pub(crate) fn of_file(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    of_bytes(&read().unwrap_or_default())
}

/// The last lines of an output in one line of text.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let skip = lines.len().saturating_sub(LINES);
    lines.drain(..skip);
    lines.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_shown() {
        let text: String = (0..1000).map(|line| format!("line {line}\n\n")).collect();
        let end = of_bytes(text.as_bytes());
        assert!(end.starts_with("line 994 | ") && end.ends_with("line 999"), "{end}");
        assert_eq!(of_file(Path::new("/no/such/file")), "");
    }
}
