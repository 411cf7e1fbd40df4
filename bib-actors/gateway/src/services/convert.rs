//! From the node's types to the API's. One direction only: requests are read where they are checked.

use bib_chunks::{Entry, EntryKind, TableSchema};
use bib_guardian::{DatasetRow, Topic, VersionRow};
use bib_proto::v1;
use bib_replicator::TransferRow;
use bib_swarm::peer_id_of_key;

pub(super) fn topic(row: Topic) -> v1::Topic {
    v1::Topic {
        name: row.name.to_string(),
        description: row.description,
        owner: row.owner.to_string(),
        datasets: row.datasets,
        bytes: row.bytes,
        subscribed: row.subscribed,
        created_ms: row.created_ms,
        updated_ms: row.updated_ms,
    }
}

/// `proxy`: what is not whole here is read from other nodes.
pub(super) fn dataset(row: DatasetRow, proxy: bool) -> v1::Dataset {
    v1::Dataset {
        name: row.name.to_string(),
        latest: row.latest.map(|latest| version(latest, proxy)),
        versions: row.versions,
        created_ms: row.created_ms,
        updated_ms: row.updated_ms,
    }
}

/// `proxy`: what is not whole here is read from other nodes.
pub(super) fn version(row: VersionRow, proxy: bool) -> v1::Version {
    v1::Version {
        id: row.id.to_string(),
        number: row.number,
        dataset: row.dataset.to_string(),
        message: row.message,
        publisher: peer_id_of_key(row.publisher).to_string(),
        created_ms: row.created_ms,
        parents: row.parents.iter().map(ToString::to_string).collect(),
        files: row.files,
        bytes: row.bytes,
        chunks: row.chunks,
        rows: row.rows,
        complete: row.complete,
        completed_ms: row.completed_ms,
        remote: proxy && !row.complete,
    }
}

pub(super) fn entry(entry: &Entry) -> v1::Entry {
    let mut out = v1::Entry { path: entry.path.clone(), mode: entry.mode, ..Default::default() };
    match &entry.kind {
        EntryKind::File { size, content, media_type, schema, .. } => {
            "file".clone_into(&mut out.kind);
            out.size = *size;
            out.content_hash = content.to_string();
            out.media_type.clone_from(media_type);
            out.schema = schema.as_ref().map(table);
        }
        EntryKind::Directory => "directory".clone_into(&mut out.kind),
        EntryKind::Symlink { target } => {
            "symlink".clone_into(&mut out.kind);
            out.target.clone_from(target);
        }
    }
    out
}

pub(super) fn table(schema: &TableSchema) -> v1::TableSchema {
    v1::TableSchema {
        columns: schema
            .columns
            .iter()
            .map(|column| v1::Column {
                name: column.name.clone(),
                r#type: column.data_type.as_str().to_owned(),
                nullable: column.nullable,
            })
            .collect(),
        rows: schema.rows.map_or(-1, |rows| i64::try_from(rows).unwrap_or(i64::MAX)),
    }
}

pub(super) fn transfer(row: TransferRow) -> v1::Transfer {
    v1::Transfer {
        dataset: row.dataset.to_string(),
        version: row.version.to_string(),
        state: row.state.as_str().to_owned(),
        bytes_done: row.bytes_done,
        bytes_total: row.bytes_total,
        chunks_done: row.chunks_done,
        chunks_total: row.chunks_total,
        peers: row.peers.iter().map(ToString::to_string).collect(),
        error: row.error,
        bytes_fetched: row.bytes_fetched,
        bytes_needed: row.bytes_needed,
    }
}
