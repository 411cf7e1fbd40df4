//! Media types of tables, with the parameters that reading needs. Pure text.

use std::fmt;

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CsvDialect {
    pub(crate) delimiter: u8,
    /// Whether the first line names the columns.
    pub(crate) header: bool,
    /// Whether it is known that no field holds a line break, so that the file can be read in parts.
    pub(crate) one_line_records: bool,
}

impl Default for CsvDialect {
    fn default() -> Self {
        Self { delimiter: b',', header: true, one_line_records: false }
    }
}

/// The kind of a file, as far as tables go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Csv(CsvDialect),
    JsonLines,
    Parquet,
    ArrowFile,
    ArrowStream,
    /// Not a table.
    Other,
}

pub(crate) const PARQUET: &str = "application/vnd.apache.parquet";
pub(crate) const ARROW_FILE: &str = "application/vnd.apache.arrow.file";
pub(crate) const ARROW_STREAM: &str = "application/vnd.apache.arrow.stream";
pub(crate) const JSON_LINES: &str = "application/x-ndjson";

impl Media {
    /// Reads a media type as a manifest holds it.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        match parts.next().unwrap_or_default() {
            PARQUET => Self::Parquet,
            ARROW_FILE => Self::ArrowFile,
            ARROW_STREAM => Self::ArrowStream,
            JSON_LINES | "application/jsonl" => Self::JsonLines,
            kind @ ("text/csv" | "text/tab-separated-values") => {
                let delimiter = if kind == "text/csv" { b',' } else { b'\t' };
                let mut dialect = CsvDialect { delimiter, ..CsvDialect::default() };
                for part in parts {
                    match part {
                        "header=absent" => dialect.header = false,
                        "delimiter=semicolon" => dialect.delimiter = b';',
                        "delimiter=tab" => dialect.delimiter = b'\t',
                        "delimiter=pipe" => dialect.delimiter = b'|',
                        "records=lines" => dialect.one_line_records = true,
                        _ => {}
                    }
                }
                Self::Csv(dialect)
            }
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parquet => f.write_str(PARQUET),
            Self::ArrowFile => f.write_str(ARROW_FILE),
            Self::ArrowStream => f.write_str(ARROW_STREAM),
            Self::JsonLines => f.write_str(JSON_LINES),
            Self::Other => f.write_str("application/octet-stream"),
            Self::Csv(dialect) => {
                f.write_str(match dialect.delimiter {
                    b'\t' => "text/tab-separated-values",
                    b';' => "text/csv; delimiter=semicolon",
                    b'|' => "text/csv; delimiter=pipe",
                    _ => "text/csv",
                })?;
                if !dialect.header {
                    f.write_str("; header=absent")?;
                }
                if dialect.one_line_records {
                    f.write_str("; records=lines")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_survive_their_text() {
        for delimiter in [b',', b';', b'\t', b'|'] {
            for (header, one_line_records) in [(true, true), (false, true), (true, false), (false, false)] {
                let media = Media::Csv(CsvDialect { delimiter, header, one_line_records });
                assert_eq!(Media::parse(&media.to_string()), media);
            }
        }
        for media in [Media::Parquet, Media::ArrowFile, Media::ArrowStream, Media::JsonLines, Media::Other] {
            assert_eq!(Media::parse(&media.to_string()), media);
        }
        assert_eq!(Media::parse("text/csv; charset=utf-8"), Media::Csv(CsvDialect::default()));
    }
}
