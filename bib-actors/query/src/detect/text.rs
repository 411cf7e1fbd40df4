//! Text while it is read for the first time: a NUL byte in it says that it is none, or that it has another encoding.

use std::io::{self, Read};

/// Bytes from which an encoding is told.
const SAMPLE: usize = 1024;

/// Fails at the first NUL byte.
pub(super) struct TextOnly<R> {
    inner: R,
    /// Line feeds that went by.
    lines: u64,
}

/// Where a NUL byte stands.
#[derive(Debug, thiserror::Error)]
#[error("there is a NUL byte in line {line}")]
pub(super) struct NulByte {
    pub(super) line: u64,
    /// The encoding that text with such bytes probably has, as iconv names it.
    pub(super) encoding: Option<&'static str>,
}

impl<R> TextOnly<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, lines: 0 }
    }
}

impl<R: Read> Read for TextOnly<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        let block = &out[..count];
        let feeds = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if block.contains(&0) {
            let before = block.split(|&byte| byte == 0).next().unwrap_or_default();
            let encoding = if self.lines == 0 { wide(block) } else { None };
            return Err(io::Error::other(NulByte { line: self.lines + feeds(before) + 1, encoding }));
        }
        self.lines += feeds(block);
        Ok(count)
    }
}

/// The encoding of text whose characters take two bytes, by its mark or by where its zeros stand.
pub(super) fn wide(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some("UTF-16");
    }
    let sample = &head[..head.len().min(SAMPLE)];
    let zeros = |at: usize| sample.iter().skip(at).step_by(2).filter(|&&byte| byte == 0).count();
    // most letters of most tables are of the first 256, whose other byte is zero
    let most = sample.len() / 4;
    match (zeros(0), zeros(1)) {
        (even, odd) if odd > most && even * 4 < odd => Some("UTF-16LE"),
        (even, odd) if even > most && odd * 4 < even => Some("UTF-16BE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_text_is_told_by_its_zeros() {
        let text = "name;köln\n1;2\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((wide(&little), wide(&big)), (Some("UTF-16LE"), Some("UTF-16BE")));
        assert_eq!(wide(b"\xff\xfea\0"), Some("UTF-16"));
        assert_eq!((wide(text.as_bytes()), wide(&[0; 100]), wide(b"a,b\0\n1,2\n")), (None, None, None));
    }

    #[test]
    fn the_line_of_a_nul_byte_is_counted_over_blocks() {
        let mut text = "x\n".repeat(5_000).into_bytes();
        text.extend_from_slice(b"y\0");
        let mut reader = TextOnly::new(text.as_slice());
        let mut block = [0; 7];
        let error = loop {
            if let Err(error) = reader.read(&mut block) {
                break error;
            }
        };
        assert_eq!(error.get_ref().unwrap().downcast_ref::<NulByte>().unwrap().line, 5_001);
    }
}
