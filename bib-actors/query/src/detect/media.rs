//! The media type of a file from its first bytes and its name. Pure: bytes win over names, names decide between kinds
//! of text.

use super::csv::sniff;
use crate::table::Media;

/// A Parquet file whose footer is encrypted; it has no registered name.
pub(super) const ENCRYPTED_PARQUET: &str = "application/x-encrypted-parquet";

/// First bytes that name a kind.
static MAGIC: &[(&[u8], &str)] = &[
    (b"PAR1", crate::table::PARQUET),
    (b"PARE", ENCRYPTED_PARQUET),
    (b"ARROW1\0\0", crate::table::ARROW_FILE),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (b"CDF\x01", "application/x-netcdf"),
    (b"CDF\x02", "application/x-netcdf"),
    (b"CDF\x05", "application/x-netcdf"),
    (b"SIMPLE  =", "application/fits"),
    (b"GRIB", "application/wmo-grib"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x7fELF", "application/x-executable"),
    (b"RIFF", "application/octet-stream"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"Obj\x01", "application/vnd.apache.avro"),
    (b"\x93NUMPY", "application/x-npy"),
];

/// Endings that name a kind of text.
static TEXT: &[(&str, &str)] = &[
    ("json", "application/json"),
    ("geojson", "application/geo+json"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("xml", "application/xml"),
    ("svg", "image/svg+xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("toml", "application/toml"),
    ("py", "text/x-python"),
    ("r", "text/x-r"),
    ("sql", "application/sql"),
    ("tex", "application/x-tex"),
    ("bib", "application/x-bibtex"),
];

/// The media type of the file at `path` that begins with `head`. Never empty.
#[must_use]
pub fn detect(path: &str, head: &[u8]) -> String {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if head.is_empty() {
        return "application/x-empty".to_owned();
    }
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        // an office document is a zip file by its bytes
        return match (*kind, ending) {
            ("application/zip", "xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            ("application/zip", "docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ("application/zip", "ods") => "application/vnd.oasis.opendocument.spreadsheet",
            (kind, _) => kind,
        }
        .to_owned();
    }
    if is_arrow_stream(head) && matches!(ending, "arrow" | "arrows" | "feather" | "ipc" | "") {
        return crate::table::ARROW_STREAM.to_owned();
    }
    match ending {
        "parquet" => return crate::table::PARQUET.to_owned(),
        "arrow" | "feather" | "ipc" if !is_text(head) => return crate::table::ARROW_FILE.to_owned(),
        // tables of text are taken by their name, even with a wrong encoding: the error then says so
        "csv" | "tsv" | "tab" => return Media::Csv(sniff(head, ending != "csv")).to_string(),
        "jsonl" | "ndjson" => return crate::table::JSON_LINES.to_owned(),
        _ => {}
    }
    if !is_text(head) {
        return "application/octet-stream".to_owned();
    }
    if let Some((_, kind)) = TEXT.iter().find(|(known, _)| *known == ending) {
        return (*kind).to_owned();
    }
    if looks_like_json_lines(head) { crate::table::JSON_LINES.to_owned() } else { "text/plain".to_owned() }
}

/// The first message of an Arrow stream: a continuation mark and the length of a schema.
fn is_arrow_stream(head: &[u8]) -> bool {
    head.len() >= 8
        && head.starts_with(&[0xff; 4])
        && u32::from_le_bytes([head[4], head[5], head[6], head[7]]) < 1 << 24
}

/// Whether the head is text without control characters; a character may be cut at its end.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && head.len() - error.valid_up_to() < 4,
    };
    valid && !head.iter().any(|&b| b < b' ' && !matches!(b, b'\n' | b'\r' | b'\t' | 0x0c))
}

/// Two lines or more, each an object.
fn looks_like_json_lines(head: &[u8]) -> bool {
    let mut lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let is_object = |line: &[u8]| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line).is_ok();
    lines.next().is_some_and(is_object) && lines.next().is_some_and(is_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_win_over_names() {
        assert_eq!(detect("flights.csv", b"PAR1\x15\x04"), "application/vnd.apache.parquet");
        assert_eq!(detect("a.parquet", b"nonsense"), "application/vnd.apache.parquet");
        assert_eq!(detect("x.csv.gz", b"\x1f\x8b\x08"), "application/gzip");
        assert_eq!(detect("x.csv", b""), "application/x-empty");
        assert_eq!(detect("x.parquet", b"PARE\x15\x04"), ENCRYPTED_PARQUET);
    }

    #[test]
    fn tables_of_text() {
        assert_eq!(detect("a/B.CSV", b"x,y\n1,2\n"), "text/csv");
        assert_eq!(detect("b.csv", b"x;y;z\n1;2;3\n"), "text/csv; delimiter=semicolon");
        assert_eq!(detect("b.csv", b"x\ty\n1,5\t2\n"), "text/tab-separated-values");
        assert_eq!(detect("c.tsv", b"x\ty\n"), "text/tab-separated-values");
        assert_eq!(detect("d.csv", b"1,2.5,3\n4,5,6\n"), "text/csv; header=absent");
        assert_eq!(detect("d.csv", b"\"a;b\",c\n1,2\n"), "text/csv");
        assert_eq!(detect("e", b"{\"a\":1}\n{\"a\":2}\n"), "application/x-ndjson");
    }

    #[test]
    fn everything_else() {
        assert_eq!(detect("README.md", b"# Title\n"), "text/markdown");
        assert_eq!(detect("notes", "naïve\n".as_bytes()), "text/plain");
        assert_eq!(detect("x.bin", b"\x00\x01"), "application/octet-stream");
        assert_eq!(
            detect("t.xlsx", b"PK\x03\x04"),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        );
        // a character that the head cuts in two
        assert_eq!(detect("cut", &"ä".as_bytes()[..1]), "text/plain");
    }
}
