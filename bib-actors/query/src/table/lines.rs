//! Records of a CSV file of which each is one line: split where the bytes lie, without a copy.
//!
//! The rules are those of the tokenizer behind `records.rs`, which also takes each line that has doubled quotation
//! marks, or bytes behind a closing one. Owns the same bound on a record.

use bytes::Bytes;
use csv_core::ReadRecordResult;

use super::csv::{Rows, ragged};
use super::fault::ReadFault;
use super::fields::Fields;
use super::marks::{Marks, WINDOW, is_break};
use super::records::{EndlessRecord, LONGEST};

/// The mark that some programs put before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Ends of fields that the tokenizer gives at a time.
const ENDS: usize = 256;

/// The bytes of a part of a file.
pub(super) trait Blocks {
    /// The next bytes in order, as many as lie together; none at the end of the file. A block that begins before
    /// [`Self::until`] ends there at the latest.
    fn next_block(&mut self) -> Result<Bytes, ReadFault>;
    /// Where the part begins. The first block begins one byte before, unless this is the start of the file.
    fn begin(&self) -> u64;
    /// Where the part ends: what begins here or behind is not of it.
    fn until(&self) -> u64;
    /// The file, for messages.
    fn path(&self) -> &str;
    /// The line at a place in the file, for messages.
    fn line(&self, at: u64) -> String;
}

/// Reads the records that begin in a part of a file.
pub(super) struct Lines<B> {
    blocks: B,
    marks: Marks,
    width: usize,
    until: u64,
    block: Bytes,
    /// Where in the file the block begins.
    block_at: u64,
    /// Where in the block the next record begins.
    at: usize,
    /// Where the fields of the present records lie.
    bounds: Vec<(u32, u32)>,
    /// A record that does not lie in the block as it is, and where it begins in the file.
    own: Vec<u8>,
    own_at: u64,
    in_own: bool,
    tokenizer: csv_core::Reader,
    started: bool,
}

/// Why no more records were split.
enum Stop {
    /// There are as many as were wanted.
    Full,
    /// The bytes end before the next record does, or it is not as most are.
    Other,
    /// The next record has so many fields.
    Ragged(usize),
}

impl<B: Blocks> Lines<B> {
    /// Each record must have `width` fields.
    pub(super) fn new(blocks: B, delimiter: u8, width: usize) -> Self {
        let mut tokenizer = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        // it leaves out a byte order mark before the first thing that it reads, which none of its lines may lose
        tokenizer.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            until: blocks.until(),
            block_at: blocks.begin().saturating_sub(1),
            blocks,
            marks: Marks { delimiter },
            width,
            block: Bytes::new(),
            at: 0,
            bounds: Vec::new(),
            own: Vec::new(),
            own_at: 0,
            in_own: false,
            tokenizer,
            started: false,
        }
    }

    fn load(&mut self) -> Result<bool, ReadFault> {
        self.block_at += self.block.len() as u64;
        self.block = self.blocks.next_block()?;
        self.at = 0;
        Ok(!self.block.is_empty())
    }

    /// Goes to where the first record can begin.
    fn start(&mut self) -> Result<(), ReadFault> {
        self.started = true;
        if self.blocks.begin() == 0 {
            self.load()?;
            self.at = behind_marks(&self.block);
            return Ok(());
        }
        // the line in which the part begins belongs to the part before
        while self.block_at + (self.block.len() as u64) < self.until && self.load()? {
            if let Some(end) = self.block.iter().position(|&byte| is_break(byte)) {
                self.at = end + 1;
                return Ok(());
            }
            self.at = self.block.len();
        }
        Ok(())
    }

    /// Notes the fields of the next records in the block, and goes behind them.
    fn split(&mut self, most: usize) -> Stop {
        let (marks, text, width) = (self.marks, &*self.block, self.width);
        self.bounds.clear();
        // where the present record and its field begin, and how many fields it has so far
        let (mut row, mut field, mut found) = (self.at, self.at, 0);
        let (mut base, mut rows) = (self.at, 0);
        let stop = 'text: loop {
            if base >= text.len() {
                break Stop::Other;
            }
            let mut ahead = marks.of(&text[base..]);
            let mut next = base + WINDOW;
            while ahead != 0 {
                let mut at = base + ahead.trailing_zeros() as usize;
                ahead &= ahead - 1;
                let mut bounds = (field, at);
                if text[at] == b'"' {
                    if at != field {
                        continue;
                    }
                    let Some(close) = closing(text, at, marks) else { break 'text Stop::Other };
                    bounds = (at + 1, close);
                    at = close + 1;
                    match at - base {
                        inside @ 0..WINDOW => ahead &= (u64::MAX << inside) << 1,
                        _ => (ahead, next) = (0, at + 1),
                    }
                }
                if text[at] != marks.delimiter && at == row {
                    // an empty line is no record, nor what is between two bytes of a line break
                    (row, field) = (at + 1, at + 1);
                    continue;
                }
                found += 1;
                if found <= width {
                    // blocks are far shorter than 4 GiB
                    self.bounds.push((bounds.0 as u32, bounds.1 as u32));
                }
                field = at + 1;
                if text[at] == marks.delimiter {
                    continue;
                }
                if found != width {
                    break 'text Stop::Ragged(found);
                }
                (row, found, rows) = (at + 1, 0, rows + 1);
                if rows == most {
                    break 'text Stop::Full;
                }
            }
            base = next;
        };
        self.bounds.truncate(rows * width);
        self.at = row;
        stop
    }

    /// Takes the record at the present place out of its block, and what follows of it from the next ones.
    fn take_line(&mut self) -> Result<(), ReadFault> {
        self.own.clear();
        self.own_at = self.block_at + self.at as u64;
        let closed = loop {
            let rest = &self.block[self.at..];
            let end = rest.iter().position(|&byte| is_break(byte));
            self.own.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            if self.own.len() as u64 > LONGEST {
                let line = self.blocks.line(self.own_at);
                return Err(ReadFault::new(self.blocks.path(), EndlessRecord { line }));
            }
            if let Some(end) = end {
                self.at += end;
                break true;
            }
            if !self.load()? {
                break false;
            }
        };
        self.in_own = true;
        if closed {
            self.own.push(b'\n');
        }
        self.tokenize(closed)
    }

    /// The fields of a line, without its quotation marks. `closed`: it does not end with the file, where quotation marks
    /// may be left open.
    fn tokenize(&mut self, closed: bool) -> Result<(), ReadFault> {
        let line = std::mem::take(&mut self.own);
        // nothing gets longer by being unquoted
        let mut out = vec![0; line.len() + 1];
        let (mut input, mut written, mut from, mut found) = (line.as_slice(), 0, 0, 0);
        let mut ends = [0; ENDS];
        self.bounds.clear();
        loop {
            let (result, read, more, fields) = self.tokenizer.read_record(input, &mut out[written..], &mut ends);
            input = &input[read..];
            written += more;
            for &end in &ends[..fields] {
                found += 1;
                if found <= self.width {
                    self.bounds.push((from, end as u32));
                    from = end as u32;
                }
            }
            match result {
                ReadRecordResult::InputEmpty if closed => {
                    let line = self.blocks.line(self.own_at);
                    let detail = format!(
                        "{line}: a quotation mark is not closed where the line ends, as the file's description says; \
                         publish the file again"
                    );
                    return Err(ReadFault::new(self.blocks.path(), detail));
                }
                // then it is told that nothing follows
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::OutputFull => out.resize(out.len() * 2, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        self.own = out;
        if found == self.width { Ok(()) } else { Err(self.ragged(self.own_at, found)) }
    }

    fn ragged(&self, at: u64, found: usize) -> ReadFault {
        ReadFault::new(self.blocks.path(), ragged(&self.blocks.line(at), found, self.width))
    }
}

impl<B: Blocks + Send> Rows for Lines<B> {
    fn next(&mut self, most: usize) -> Result<usize, ReadFault> {
        self.in_own = false;
        if !self.started {
            self.start()?;
        }
        // what follows a line that goes on behind the part is not of the part
        while self.block_at < self.until {
            if self.at >= self.block.len() {
                let end = self.block_at + self.block.len() as u64;
                if end >= self.until || !self.load()? {
                    return Ok(0);
                }
            }
            let stop = self.split(most);
            let rows = self.fields().rows();
            match stop {
                Stop::Ragged(found) => return Err(self.ragged(self.block_at + self.at as u64, found)),
                _ if rows > 0 => return Ok(rows),
                _ if self.at < self.block.len() => {
                    self.take_line()?;
                    return Ok(1);
                }
                // nothing but line breaks was left
                _ => {}
            }
        }
        Ok(0)
    }

    fn fields(&self) -> Fields<'_> {
        Fields::new(if self.in_own { &self.own } else { &self.block }, &self.bounds, self.width)
    }

    fn path(&self) -> &str {
        self.blocks.path()
    }

    fn line(&self, row: usize) -> String {
        let first = self.bounds.get(row * self.width).map_or(0, |first| first.0);
        self.blocks.line(if self.in_own { self.own_at } else { self.block_at + u64::from(first) })
    }
}

/// Where a file begins behind its byte order marks. Whoever found the columns left out one, and the tokenizer there
/// another one.
pub(super) fn behind_marks(head: &[u8]) -> usize {
    let once = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    head.len() - once.strip_prefix(BYTE_ORDER_MARK).unwrap_or(once).len()
}

/// Where the quoted field that begins at `at` ends, if it is one that can be taken as it lies there.
fn closing(text: &[u8], at: usize, marks: Marks) -> Option<usize> {
    let inside = &text[at + 1..];
    let close = at + 1 + inside.iter().position(|&byte| byte == b'"' || is_break(byte))?;
    (text[close] == b'"' && marks.ends_field(*text.get(close + 1)?)).then_some(close)
}
