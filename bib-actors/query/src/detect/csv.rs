//! The table in a CSV file: delimiter and header from its head, types and row count from all of it. Streams; holds
//! one record.

use std::collections::HashSet;

use bib_chunks::{Column, TableSchema};
use csv::ByteRecord;

use super::MAX_COLUMNS;
use super::error::DetectError;
use super::guess::Guess;
use super::text::TextOnly;
use crate::row::scalar;
use crate::table::{ChunkReader, CsvDialect, Records, endless, is_missing};

/// How a CSV file is written, from its first bytes.
pub(super) fn sniff(head: &[u8], tabs: bool) -> CsvDialect {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    // empty lines are no rows, nor do they say how the others are written
    let text = head.iter().position(|b| !matches!(b, b'\n' | b'\r')).unwrap_or(head.len());
    let line = first_line(&head[text..]);
    let count = |delimiter: u8| outside_quotes(line).filter(|&b| b == delimiter).count();
    // a comma wins over others that are as frequent
    let candidates: &[u8] = if tabs { b"\t,;|" } else { b",\t;|" };
    let delimiter = candidates.iter().copied().rev().max_by_key(|&delimiter| count(delimiter)).unwrap_or(b',');
    let delimiter = if count(delimiter) == 0 { candidates[0] } else { delimiter };
    let dialect = CsvDialect { delimiter, ..CsvDialect::default() };
    let mut record = ByteRecord::new();
    let read = Records::new(line, dialect).next(&mut record).unwrap_or(false);
    let is_number = |field: &[u8]| std::str::from_utf8(field).is_ok_and(|text| scalar::parse_double(text).is_some());
    let header = !read || !record.iter().all(is_number);
    CsvDialect { header, ..dialect }
}

fn first_line(head: &[u8]) -> &[u8] {
    let mut quoted = false;
    let end = head.iter().position(|&b| {
        quoted ^= b == b'"';
        !quoted && (b == b'\n' || b == b'\r')
    });
    &head[..end.unwrap_or(head.len())]
}

fn outside_quotes(line: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut quoted = false;
    line.iter().copied().filter(move |&b| {
        quoted ^= b == b'"';
        !quoted
    })
}

/// Reads the whole file. Notes in `dialect` whether it can be read in parts.
pub(super) fn infer(mut reader: ChunkReader, dialect: &mut CsvDialect) -> Result<Option<TableSchema>, DetectError> {
    let path = reader.file().path.clone();
    reader.skip_mark().map_err(DetectError::from_fault)?;
    let mut rows = Records::new(TextOnly::new(reader), *dialect);
    let mut record = ByteRecord::new();
    if !next(&mut rows, &mut record, &path)? {
        return Ok(None);
    }
    let expected = record.len();
    if expected > MAX_COLUMNS {
        let detail = format!("its first line has {expected} fields, a table has at most {MAX_COLUMNS} columns");
        return Err(DetectError::broken(&path, detail));
    }
    let mut guesses = vec![Guess::default(); expected];
    let mut one_line_records = true;
    let mut count = 0_u64;
    let names = if dialect.header {
        let names =
            record.iter().map(|field| utf8(field, &record, &path).map(str::to_owned)).collect::<Result<_, _>>()?;
        one_line_records = !record.iter().any(has_line_break);
        names
    } else {
        see(&record, &mut guesses, &mut one_line_records, &path)?;
        count = 1;
        vec![String::new(); expected]
    };
    while next(&mut rows, &mut record, &path)? {
        if record.len() != expected {
            return Err(DetectError::Ragged { path, line: line_of(&record), found: record.len(), expected });
        }
        see(&record, &mut guesses, &mut one_line_records, &path)?;
        count += 1;
    }
    dialect.one_line_records = one_line_records;
    let columns = unique(names)
        .into_iter()
        .zip(guesses)
        .map(|(name, guess)| Column { name, data_type: guess.column_type(), nullable: guess.nullable() })
        .collect();
    Ok(Some(TableSchema { columns, rows: Some(count) }))
}

fn next(rows: &mut Records<impl std::io::Read>, record: &mut ByteRecord, path: &str) -> Result<bool, DetectError> {
    rows.next(record).map_err(|error| match (endless(&error), error.kind()) {
        (Some(why), _) => DetectError::broken(path, why),
        (None, csv::ErrorKind::Io(io)) => DetectError::from_io(path, io),
        (None, _) => DetectError::broken(path, error.to_string()),
    })
}

fn see(record: &ByteRecord, guesses: &mut [Guess], one_line_records: &mut bool, path: &str) -> Result<(), DetectError> {
    for (field, guess) in record.iter().zip(guesses) {
        if is_missing(field) {
            guess.missing = true;
            continue;
        }
        guess.see(utf8(field, record, path)?);
        if *one_line_records && has_line_break(field) {
            *one_line_records = false;
        }
    }
    Ok(())
}

fn has_line_break(field: &[u8]) -> bool {
    field.iter().any(|&b| b == b'\n' || b == b'\r')
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn utf8<'a>(field: &'a [u8], record: &ByteRecord, path: &str) -> Result<&'a str, DetectError> {
    std::str::from_utf8(field).map_err(|error| {
        let byte = field[error.valid_up_to()];
        let utf16 = matches!(byte, 0xff | 0xfe) && line_of(record) == 1;
        let guess = if utf16 { "UTF-16" } else { "WINDOWS-1252" };
        DetectError::Encoding { path: path.to_owned(), line: line_of(record), byte, guess }
    })
}

/// Each name once: columns without a name or with one that was there before get a number.
fn unique(names: Vec<String>) -> Vec<String> {
    let mut used: HashSet<String> = names.iter().cloned().collect();
    let mut seen = HashSet::new();
    names
        .into_iter()
        .enumerate()
        .map(|(at, name)| {
            if !name.is_empty() && seen.insert(name.clone()) {
                return name;
            }
            let base = if name.is_empty() { "column".to_owned() } else { name };
            let mut number = if base == "column" { at + 1 } else { 2 };
            while !used.insert(format!("{base}_{number}")) {
                number += 1;
            }
            format!("{base}_{number}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_unique() {
        let names = |names: &[&str]| unique(names.iter().map(|&name| name.to_owned()).collect());
        assert_eq!(names(&["a", "b"]), ["a", "b"]);
        assert_eq!(names(&["a", "a", "a"]), ["a", "a_2", "a_3"]);
        assert_eq!(names(&["a", "a", "a_2"]), ["a", "a_3", "a_2"]);
        assert_eq!(names(&["", "x", ""]), ["column_1", "x", "column_3"]);
    }

    #[test]
    fn heads_tell_the_dialect() {
        assert_eq!(sniff(b"\xef\xbb\xbfa;b\n", false).delimiter, b';');
        assert_eq!(sniff(b"alone\n1\n", false).delimiter, b',');
        assert_eq!(sniff(b"\"x\ny\",b\n1,2\n", false).delimiter, b',');
        assert!(sniff(b"2013,x\n", false).header);
        assert!(!sniff(b"1.5\n2\n", false).header);
        for mark in ["", "\u{feff}"] {
            for end in ["\n", "\r\n", "\r"] {
                let told = |text: &str| sniff(format!("{mark}{text}").replace('\n', end).as_bytes(), false);
                assert!(!told("\n1,2\n3,4\n").header, "{mark:?} {end:?}");
                assert_eq!((told("\n\na;b\n1,5;2\n").delimiter, told("\na;b\n1;2\n").header), (b';', true));
            }
        }
    }
}
