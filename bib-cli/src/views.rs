//! API messages as JSON records: lowerCamel names, numbers as numbers, times in RFC 3339.

use crate::output::rfc3339;
use bib_proto::v1;
use serde_json::{Value, json};

/// A topic.
#[must_use]
pub(crate) fn topic(topic: &v1::Topic) -> Value {
    json!({
        "name": topic.name, "description": topic.description, "owner": topic.owner, "datasets": topic.datasets,
        "bytes": topic.bytes, "subscribed": topic.subscribed, "createdAt": rfc3339(topic.created_ms),
        "updatedAt": rfc3339(topic.updated_ms), "updatedMs": topic.updated_ms,
    })
}

/// A version.
#[must_use]
pub(crate) fn version(version: &v1::Version) -> Value {
    json!({
        "id": version.id, "number": version.number, "dataset": version.dataset, "message": version.message,
        "publisher": version.publisher, "createdAt": rfc3339(version.created_ms), "createdMs": version.created_ms,
        "parents": version.parents, "files": version.files, "bytes": version.bytes, "chunks": version.chunks,
        "rows": version.rows, "complete": version.complete, "remote": version.remote, "completedAt": rfc3339(version.completed_ms),
        "completedMs": version.completed_ms,
    })
}

/// A dataset with its latest version.
#[must_use]
pub(crate) fn dataset(dataset: &v1::Dataset) -> Value {
    json!({
        "name": dataset.name, "latest": dataset.latest.as_ref().map(version), "versions": dataset.versions,
        "createdAt": rfc3339(dataset.created_ms), "updatedAt": rfc3339(dataset.updated_ms), "updatedMs": dataset.updated_ms,
    })
}

/// One file, folder or link.
#[must_use]
pub(crate) fn entry(entry: &v1::Entry) -> Value {
    json!({
        "path": entry.path, "kind": entry.kind, "size": entry.size, "mode": format!("{:04o}", entry.mode),
        "contentHash": entry.content_hash, "mediaType": entry.media_type, "target": entry.target,
        "schema": entry.schema.as_ref().map(schema),
    })
}

/// A table's columns.
#[must_use]
pub(crate) fn schema(schema: &v1::TableSchema) -> Value {
    let columns: Vec<Value> = schema
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "type": column.r#type, "nullable": column.nullable}))
        .collect();
    json!({"columns": columns, "rows": (schema.rows >= 0).then_some(schema.rows)})
}

/// A node.
#[must_use]
pub(crate) fn node(node: &v1::Node) -> Value {
    json!({
        "id": node.id, "name": node.name, "mode": node.mode, "storage": node.storage, "paired": node.paired,
        "connected": node.connected, "addresses": node.addresses, "transport": node.transport, "rttUs": node.rtt_us,
        "lastSeenAt": rfc3339(node.last_seen_ms), "lastSeenMs": node.last_seen_ms, "base": node.base,
        "blamed": node.blamed, "catalogReadAt": rfc3339(node.catalog_read_ms), "trust": if node.storage == "sqlite" { "untrusted-storage" } else { "" },
    })
}

/// One actor's health.
#[must_use]
pub(crate) fn actor(actor: &v1::ActorHealth) -> Value {
    json!({
        "name": actor.name, "rank": actor.rank, "state": actor.state, "incarnation": actor.incarnation,
        "restarts": actor.restarts, "lastFailure": actor.last_failure, "lastFailureAt": rfc3339(actor.last_failure_ms),
        "mailboxUsed": actor.mailbox_used, "mailboxCapacity": actor.mailbox_capacity,
    })
}

/// A transfer.
#[must_use]
pub(crate) fn transfer(transfer: &v1::Transfer) -> Value {
    json!({
        "dataset": transfer.dataset, "version": transfer.version, "state": transfer.state,
        "bytesDone": transfer.bytes_done, "bytesTotal": transfer.bytes_total, "chunksDone": transfer.chunks_done,
        "chunksTotal": transfer.chunks_total, "bytesFetched": transfer.bytes_fetched, "bytesNeeded": transfer.bytes_needed,
        "peers": transfer.peers, "error": transfer.error,
    })
}

/// An audit record.
#[must_use]
pub(crate) fn audit(record: &v1::AuditRecord) -> Value {
    json!({
        "seq": record.seq, "time": rfc3339(record.time_ns / 1_000_000), "timeNs": record.time_ns.to_string(),
        "actor": record.actor, "role": record.role, "action": record.action, "object": record.object,
        "rows": (record.rows >= 0).then_some(record.rows), "durationUs": record.duration_us, "component": record.component,
        "outcome": record.outcome, "operationId": record.operation_id, "entryHash": record.entry_hash,
        "prevHash": record.prev_hash, "fingerprint": record.fingerprint,
        "reason": record.metadata.get("reason").map_or("", String::as_str), "metadata": record.metadata,
    })
}

/// A fingerprint as `bib connect --fingerprint` takes it, whether the node said `sha256:` or not.
#[must_use]
pub(crate) fn fingerprint(hex: &str) -> String {
    let digits = hex.trim_start_matches("sha256:");
    if digits.is_empty() { String::new() } else { format!("sha256:{digits}") }
}

/// `sha256:` and twelve digits, for people.
#[must_use]
pub(crate) fn short_hash(hash: &str) -> String {
    hash.strip_prefix("sha256:").unwrap_or(hash).chars().take(12).collect()
}

/// Whether a version's chunks are all here, or on other nodes from which a proxy reads them, with its sign.
#[must_use]
pub(crate) fn completeness(version: &Value) -> &'static str {
    match (version["complete"] == true, version["remote"] == true) {
        (true, _) => "✓ complete",
        (false, true) => "↗ elsewhere",
        (false, false) => "◌ arriving",
    }
}

/// A state without its sign.
#[must_use]
pub(crate) fn word(state: &str) -> &str {
    state.split_once(' ').map_or(state, |(_, word)| word)
}
