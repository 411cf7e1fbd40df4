//! The last line of the demo: one JSON object for whoever reads it by program.

use serde_json::Value;

/// What the demo measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows of the flights table, counted by a query on the second node.
    pub rows: u64,
    /// Bytes of all versions that were replicated.
    pub bytes: u64,
    /// Version of the flights table.
    pub version: String,
    /// Chunks of all versions that were replicated.
    pub chunks: u64,
    /// From the end of the upload until the second node had everything, in milliseconds.
    pub replicate_ms: u64,
    /// The three queries together, in milliseconds.
    pub query_ms: u64,
    /// Records in both audit logs.
    pub audit_records: u64,
    /// Whether both audit logs are whole.
    pub audit_ok: bool,
}

impl Report {
    /// The line, its fields in this order. `ok` stands in it only when everything was done.
    #[must_use]
    pub fn line(&self) -> String {
        let (version, text) = (Value::from(self.version.as_str()), Value::to_string);
        format!(
            r#"{{"ok":true,"rows":{},"bytes":{},"version":{},"chunks":{},"replicate_ms":{},"query_ms":{},"audit_records":{},"audit_ok":{}}}"#,
            self.rows,
            self.bytes,
            text(&version),
            self.chunks,
            self.replicate_ms,
            self.query_ms,
            self.audit_records,
            self.audit_ok
        )
    }
}
