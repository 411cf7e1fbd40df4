//! What to tell about a file that is kept as it is although there is a table in it that queries cannot read. Owns the
//! wording.

use super::media::ENCRYPTED_PARQUET;

/// Media types of files that are compressed as a whole, and what undoes it.
const COMPRESSED: &[(&str, &str)] = &[
    ("application/gzip", "gunzip"),
    ("application/x-bzip2", "bunzip2"),
    ("application/x-xz", "unxz"),
    ("application/zstd", "unzstd"),
];

/// Endings of tables in a compressed file.
const TABLES: &[&str] = &["csv", "tsv", "tab", "jsonl", "ndjson", "parquet", "arrow"];

/// Media types of spreadsheets.
const SHEETS: &[&str] = &[
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.oasis.opendocument.spreadsheet",
];

/// Why queries cannot read the table that people see in the file, and what to do; none if there is none.
pub(crate) fn notice(path: &str, media_type: &str) -> Option<String> {
    if let Some((_, undo)) = COMPRESSED.iter().find(|(kind, _)| *kind == media_type) {
        let inner = path.rsplit_once('.').map_or("", |(inner, _)| inner).rsplit('.').next().unwrap_or_default();
        return TABLES.contains(&inner.to_ascii_lowercase().as_str()).then(|| {
            format!(
                "it is compressed as a whole, and queries cannot look into it; to query it, put it in uncompressed \
                 (`{undo}`) or as Parquet, which is compressed inside"
            )
        });
    }
    let why = match media_type {
        ENCRYPTED_PARQUET => "it is encrypted Parquet, and BIB has no key to it; to query it, put it in decrypted",
        "application/json" => {
            "it is one JSON document, and queries read JSON lines, one object a line; `jq -c '.[]' FILE.json > \
             FILE.jsonl` makes them from a list"
        }
        kind if SHEETS.contains(&kind) => "it is a spreadsheet, and queries read tables; to query it, save it as CSV",
        _ => return None,
    };
    Some(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_cannot_be_read_are_named() {
        assert!(notice("a/x.CSV.gz", "application/gzip").unwrap().contains("gunzip"));
        assert!(notice("x.parquet.zst", "application/zstd").unwrap().contains("unzstd"));
        assert_eq!(notice("x.tar.gz", "application/gzip"), None);
        assert_eq!(notice("gz", "application/gzip"), None);
        assert!(notice("x.xlsx", SHEETS[0]).unwrap().contains("CSV"));
        assert_eq!(notice("x.png", "image/png"), None);
    }
}
