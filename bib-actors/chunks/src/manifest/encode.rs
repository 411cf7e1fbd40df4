//! Writes the canonical bytes of a manifest: CBOR with arrays of known length, no maps, no tags, no floats.
//!
//! The order of elements is the format. To change it is to make `bib-manifest/2`.

use super::{Entry, EntryKind, FORMAT, Manifest, TableSchema};
use minicbor::Encoder;
use std::convert::Infallible;

type Result<T = ()> = std::result::Result<T, minicbor::encode::Error<Infallible>>;
type Out = Encoder<Vec<u8>>;

/// Kinds of entries in the encoding.
pub(super) const FILE: u8 = 0;
pub(super) const DIRECTORY: u8 = 1;
pub(super) const SYMLINK: u8 = 2;

pub(super) fn manifest(manifest: &Manifest) -> Vec<u8> {
    let mut out = Encoder::new(Vec::with_capacity(256 + 48 * manifest.chunks.len() + 128 * manifest.entries.len()));
    body(&mut out, manifest).expect("writing to a vector cannot fail");
    out.into_writer()
}

fn body(out: &mut Out, manifest: &Manifest) -> Result {
    out.array(9)?.str(FORMAT)?;
    out.str(&manifest.dataset)?.u64(manifest.number)?.i64(manifest.created_ms)?.str(&manifest.message)?;
    out.array(manifest.parents.len() as u64)?;
    for parent in &manifest.parents {
        out.bytes(parent.as_bytes())?;
    }
    out.bytes(&manifest.publisher)?;
    out.array(manifest.chunks.len() as u64)?;
    for chunk in &manifest.chunks {
        out.array(2)?.bytes(chunk.hash.as_bytes())?.u32(chunk.len)?;
    }
    out.array(manifest.entries.len() as u64)?;
    manifest.entries.iter().try_for_each(|one| entry(out, one))
}

fn entry(out: &mut Out, entry: &Entry) -> Result {
    match &entry.kind {
        EntryKind::File { size, content, segments, media_type, schema } => {
            out.array(8)?.u8(FILE)?.str(&entry.path)?.u32(entry.mode)?.u64(*size)?.bytes(content.as_bytes())?;
            out.array(segments.len() as u64)?;
            for segment in segments {
                out.array(3)?.u32(segment.chunk)?.u32(segment.offset)?.u32(segment.len)?;
            }
            out.str(media_type)?;
            match schema {
                Some(table) => self::table(out, table),
                None => out.null().map(drop),
            }
        }
        EntryKind::Directory => out.array(3)?.u8(DIRECTORY)?.str(&entry.path)?.u32(entry.mode).map(drop),
        EntryKind::Symlink { target } => {
            out.array(4)?.u8(SYMLINK)?.str(&entry.path)?.u32(entry.mode)?.str(target).map(drop)
        }
    }
}

fn table(out: &mut Out, table: &TableSchema) -> Result {
    out.array(2)?.array(table.columns.len() as u64)?;
    for column in &table.columns {
        out.array(3)?.str(&column.name)?.u8(column.data_type.code())?.bool(column.nullable)?;
    }
    match table.rows {
        Some(rows) => out.u64(rows).map(drop),
        None => out.null().map(drop),
    }
}
