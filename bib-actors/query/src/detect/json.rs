//! The table in a JSON-lines file: one object a line, types and row count from all of it. Streams; holds one line.

use std::io::{BufRead, BufReader, Read};

use bib_chunks::TableSchema;
use serde::de::DeserializeSeed;

use super::columns_of;
use super::error::DetectError;
use super::json_type::{JsonType, See, Shape};
use super::text::TextOnly;
use crate::table::{ChunkReader, ReadFault};

/// Bytes of one line: a longer one is a document, not a row.
const MAX_LINE: u64 = 16 << 20;

/// What to do with one document that holds all objects.
const LIST: &str = "begins a list; JSON lines have one object a line, `jq -c '.[]'` makes them from a list";

pub(super) fn infer(reader: ChunkReader) -> Result<Option<TableSchema>, DetectError> {
    let (shape, rows) = scan(reader)?;
    if rows == 0 {
        return Ok(None);
    }
    Ok(Some(TableSchema { columns: columns_of(&shape.to_schema()), rows: Some(rows) }))
}

/// The types in a file that was understood when it came in.
pub(crate) fn json_shape(reader: ChunkReader) -> Result<Shape, ReadFault> {
    let path = reader.file().path.clone();
    let (shape, _) = scan(reader).map_err(|error| ReadFault::new(&path, error))?;
    Ok(shape)
}

fn scan(mut reader: ChunkReader) -> Result<(Shape, u64), DetectError> {
    let path = reader.file().path.clone();
    reader.skip_mark().map_err(DetectError::from_fault)?;
    let mut lines = BufReader::with_capacity(128 << 10, TextOnly::new(reader));
    let mut all = JsonType::default();
    let mut line = Vec::new();
    let (mut number, mut rows) = (0_u64, 0_u64);
    loop {
        line.clear();
        let read = (&mut lines).take(MAX_LINE + 1).read_until(b'\n', &mut line);
        let read = read.map_err(|error| DetectError::from_io(&path, &error))?;
        if read == 0 {
            return Ok((all.shape, rows));
        }
        number += 1;
        if read as u64 > MAX_LINE {
            let detail = match line.trim_ascii_start() {
                [b'[', ..] if number == 1 => LIST.to_owned(),
                _ => format!("is longer than {} MiB; put each object on a line of its own", MAX_LINE >> 20),
            };
            return Err(DetectError::line(&path, number, detail));
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        see(text, &mut all, &path, number)?;
        rows += 1;
    }
}

fn see(text: &[u8], all: &mut JsonType, path: &str, number: u64) -> Result<(), DetectError> {
    if let Err(error) = std::str::from_utf8(text) {
        let byte = text[error.valid_up_to()];
        let guess = if matches!(byte, 0xff | 0xfe) && number == 1 { "UTF-16" } else { "WINDOWS-1252" };
        return Err(DetectError::Encoding { path: path.to_owned(), line: number, byte, guess });
    }
    if text[0] != b'{' {
        let detail = match text[0] {
            b'[' if number == 1 => LIST,
            _ => "is not an object; each line is one object {...}",
        };
        return Err(DetectError::line(path, number, detail));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let seen = See::line(all).deserialize(&mut json).and_then(|()| json.end());
    seen.map_err(|error| DetectError::line(path, number, what_is_wrong(&error)))
}

fn what_is_wrong(error: &serde_json::Error) -> String {
    let (column, text) = (error.column(), error.to_string());
    let why = text.split(" at line ").next().unwrap_or_default();
    match error.classify() {
        serde_json::error::Category::Data => {
            let advice = if why.contains(" where ") {
                "a column holds values of one kind"
            } else {
                "this is a document rather than a row of a table: flatten it"
            };
            format!("has {why} (column {column}); {advice}")
        }
        serde_json::error::Category::Eof => "ends inside an object; each object is written on one line".to_owned(),
        _ if why == "number out of range" => {
            format!("has a number that is larger than any double (column {column}); write it as a text: \"1e400\"")
        }
        _ if why.contains("surrogate") || why.contains("hex escape") => {
            format!(
                "has half of a character in an escape (column {column}); characters beyond U+FFFF need two: \\ud83d\\ude00"
            )
        }
        _ => format!("is not JSON at column {column}; correct it"),
    }
}
