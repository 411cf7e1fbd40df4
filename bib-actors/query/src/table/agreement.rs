//! What is split where it lies is what the tokenizer reads: the same rows, whatever the bytes are, however a file is cut
//! into slices and however its blocks come.

use std::ops::Range;

use bytes::Bytes;
use csv::ByteRecord;
use proptest::prelude::*;

use super::csv::Rows;
use super::fault::ReadFault;
use super::lines::{Blocks, Lines, behind_marks};
use super::media::CsvDialect;
use super::records::{LONGEST, Records};

const MARK: &[u8] = b"\xef\xbb\xbf";

/// A part of a text, in blocks of some length.
struct Pieces<'a> {
    text: &'a [u8],
    range: Range<u64>,
    at: usize,
    step: usize,
}

impl<'a> Pieces<'a> {
    fn new(text: &'a [u8], range: Range<usize>, step: usize) -> Self {
        let at = range.start.saturating_sub(1);
        Self { text, range: range.start as u64..range.end as u64, at, step }
    }
}

impl Blocks for Pieces<'_> {
    fn next_block(&mut self) -> Result<Bytes, ReadFault> {
        let until = usize::try_from(self.range.end).unwrap();
        let end = if self.at < until { until } else { self.text.len() };
        let block = Bytes::copy_from_slice(&self.text[self.at..end.min(self.at + self.step)]);
        self.at += block.len();
        Ok(block)
    }

    fn begin(&self) -> u64 {
        self.range.start
    }

    fn until(&self) -> u64 {
        self.range.end
    }

    fn path(&self) -> &str {
        "t.csv"
    }

    fn line(&self, at: u64) -> String {
        let at = usize::try_from(at).unwrap();
        format!("line {}", self.text[..at].iter().filter(|&&byte| byte == b'\n').count() + 1)
    }
}

/// Rows, and what was wrong with the one behind them.
type Found = (Vec<Vec<Vec<u8>>>, Option<String>);

/// The rows of each part between two cuts, one part after the other.
fn split(text: &[u8], width: usize, cuts: &[usize], step: usize, most: usize) -> Found {
    let mut found = Vec::new();
    let mut from = 0;
    for &to in cuts.iter().chain([&text.len()]) {
        let mut lines = Lines::new(Pieces::new(text, from..to, step), b',', width);
        loop {
            match lines.next(most) {
                Ok(0) => break,
                Ok(rows) => {
                    let fields = lines.fields();
                    assert!(rows <= most && fields.rows() == rows);
                    let row = |row| (0..width).map(|at| fields.column(at).nth(row).unwrap().to_vec()).collect();
                    found.extend((0..rows).map(row));
                }
                // the rows before it in the same block are lost, as its whole batch is
                Err(fault) => return (found, Some(fault.detail)),
            }
        }
        from = to;
    }
    (found, None)
}

/// What the tokenizer says, and the number of fields in its first record.
fn tokenize(text: &[u8]) -> (Found, usize) {
    let mut records = Records::new(text, CsvDialect::default());
    let (mut record, mut rows, mut width) = (ByteRecord::new(), Vec::new(), 0);
    while records.next(&mut record).unwrap() {
        width = if width == 0 { record.len() } else { width };
        if record.len() != width {
            return ((rows, Some(format!("has {} fields instead of {width}", record.len()))), width);
        }
        rows.push(record.iter().map(<[u8]>::to_vec).collect());
    }
    ((rows, None), width.max(1))
}

/// Asserts that both say the same, if no field has a line break in it.
fn agree(text: &[u8], cuts: &[usize], step: usize, most: usize) -> Result<(), TestCaseError> {
    // whoever reads with the tokenizer leaves out a mark first
    let ((rows, fault), width) = tokenize(text.strip_prefix(MARK).unwrap_or(text));
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    prop_assume!(!rows.iter().flatten().any(|field| field.iter().any(is_break)));
    let (found, said) = split(text, width, cuts, step, most);
    match fault {
        None => prop_assert_eq!((found, said), (rows, None)),
        Some(fault) => {
            // an open quotation mark may be what makes the tokenizer see a row of another length
            let said = said.unwrap_or_default();
            prop_assert!(
                said.ends_with(&fault) || said.contains("not closed") || said.contains("instead of"),
                "{}",
                said
            );
            prop_assert!(rows.starts_with(&found));
        }
    }
    Ok(())
}

/// A field, as people and programs write them.
fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z0-9. ;-]{0,12}".prop_map(String::into_bytes),
        1 => "[a-zé€\u{feff}]{60,140}".prop_map(String::into_bytes),
        2 => "\"[a-z, ]{0,90}\"".prop_map(String::into_bytes),
        1 => "\"[a-z]{0,5}(\"\"[,a-z]{0,5}){1,3}\"".prop_map(String::into_bytes),
        1 => "\"[a-z]{0,5}\"[a-z \"]{1,5}".prop_map(String::into_bytes),
        1 => "[a-z]\"[a-z\"]{0,3}".prop_map(String::into_bytes),
        1 => prop::collection::vec(0x80_u8.., 1..4),
    ]
}

/// Lines of mostly the same number of fields, with line ends of every system.
fn table() -> impl Strategy<Value = Vec<u8>> {
    let end = prop::sample::select(vec!["\n", "\n", "\r\n", "\r", "\n\n", "\r\n\r\n"]);
    let line = move |width| (prop::collection::vec(field(), width), end.clone());
    let lines = (1_usize..5).prop_flat_map(move |width| {
        let other = prop_oneof![30 => Just(width), 1 => 1_usize..6];
        prop::collection::vec(other.prop_flat_map(line.clone()), 0..12)
    });
    let marks = prop::sample::select(vec!["", "", "", "\u{feff}", "\u{feff}\u{feff}", "\n", "\r\n"]);
    (marks, lines, any::<bool>()).prop_map(|(mark, lines, closed)| {
        let mut text = mark.as_bytes().to_vec();
        for (at, (fields, end)) in lines.iter().enumerate() {
            text.extend(fields.join(&b','));
            if closed || at + 1 < lines.len() {
                text.extend_from_slice(end.as_bytes());
            }
        }
        text
    })
}

/// Places at which a text is cut: anywhere behind its first letter, because a slice is far longer than some marks.
fn places(cuts: &[prop::sample::Index], text: &[u8]) -> Vec<usize> {
    let from = (behind_marks(text) + 1).min(text.len());
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| from + cut.index(text.len() - from + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_global_rejects: 20_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn on_tables(
        text in table(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        step in 6_usize..300,
        most in 1_usize..9,
    ) {
        agree(&text, &places(&cuts, &text), step, most)?;
    }

    #[test]
    fn on_whatever_bytes_there_are(
        text in "[a,\"\r\n]{0,40}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        step in 6_usize..20,
        most in 1_usize..4,
    ) {
        agree(text.as_bytes(), &places(&cuts, text.as_bytes()), step, most)?;
    }
}

#[test]
fn on_quotes_empty_lines_and_cut_lines() {
    let text = b"a,b\r\n\r\n1,\"x \"\"y\"\",z\"\n\n,\n\"\",5\"6\nlast,\"one";
    let expected = tokenize(text).0;
    assert_eq!((expected.0.len(), expected.1.as_deref()), (5, None));
    for step in [6, 7, 100] {
        for cut in 0..=text.len() {
            assert_eq!(split(text, 2, &[cut], step, 3), expected, "in steps of {step}, cut at {cut}");
        }
    }
    let many = format!("\"q\"\"\"{}\n", ",x".repeat(1_500));
    assert_eq!(split(many.as_bytes(), 1_501, &[], 64, 1), tokenize(many.as_bytes()).0);
}

#[test]
fn on_the_longest_record() {
    for over in [0, 100 << 10, 250 << 10, 600 << 10, 2 << 20] {
        let mut text = b"a\n".to_vec();
        text.resize((16 << 20) + over, b'x');
        text.extend_from_slice(b"\nb\n");
        let mut records = Records::new(text.as_slice(), CsvDialect::default());
        let mut record = ByteRecord::new();
        let taken = records.next(&mut record).is_ok() && records.next(&mut record).is_ok();
        let (found, said) = split(&text, 1, &[1 << 20], 1 << 20, 10);
        // what came in can be read; what could not come in is bounded all the same
        assert!(found.len() == 3 || !taken, "{over} bytes over: {said:?}");
        assert!(said.is_some() || (text.len() as u64) < LONGEST + 10, "{over} bytes over");
        let said = said.unwrap_or_else(|| "begins at line 2".to_owned());
        assert!(said.contains("begins at line 2"), "{said}");
    }
}

#[test]
fn a_mark_is_left_open_at_the_end_of_the_file_only() {
    assert_eq!(split(b"a,\"b", 2, &[], 100, 9).0, [[b"a", b"b"]]);
    let (found, said) = split(b"1,2\n3,\"4\n5,6\n", 2, &[], 100, 9);
    assert_eq!(found.len(), 1);
    assert!(said.clone().unwrap().starts_with("line 2: a quotation mark is not closed"), "{said:?}");
}

#[test]
fn a_row_of_very_many_fields_is_counted_not_kept() {
    let mut text = b"a,b\n".to_vec();
    text.resize(5_000, b',');
    for step in [64, 10_000] {
        let said = split(&text, 2, &[], step, 9).1;
        assert_eq!(said.as_deref(), Some("line 2 has 4997 fields instead of 2"), "in steps of {step}");
    }
}
