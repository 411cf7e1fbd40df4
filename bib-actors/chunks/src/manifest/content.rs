//! Whether entries and chunks form a sound version. The writer asks this of its own work, the decoder of a stranger's.

use super::{ChunkRef, Entry, EntryKind, TableSchema};
use crate::{ManifestError, ManifestLimits};
use bib_domain::{PathError, PathProblem, check_path, check_symlink};
use std::collections::HashSet;

/// Checks names, order, limits, and that every file's segments lie in its chunks and add up to its size.
///
/// # Errors
/// [`ManifestError`] for the first thing that is wrong.
pub fn check_content(entries: &[Entry], chunks: &[ChunkRef], limits: &ManifestLimits) -> Result<(), ManifestError> {
    let segments = entries.iter().map(|entry| entry.segments().len()).sum();
    for (what, count, limit) in [
        ("entries", entries.len(), limits.entries),
        ("chunks", chunks.len(), limits.chunks),
        ("segments", segments, limits.segments),
    ] {
        if count > limit {
            return Err(ManifestError::Limit { what, limit: limit as u64 });
        }
    }
    check_chunks(chunks, limits)?;
    check_tree(entries)?;
    let mut used = 0;
    for entry in entries {
        check_entry(entry, chunks, &mut used, limits).map_err(|error| match error {
            Problem::Detail(detail) => ManifestError::Contents { path: entry.path.clone(), detail },
            Problem::Limit { what, limit } => ManifestError::Limit { what, limit },
        })?;
    }
    if used == chunks.len() {
        Ok(())
    } else {
        let detail = format!("{} of {} chunks belong to no file", chunks.len() - used, chunks.len());
        Err(ManifestError::Contents { path: "chunks".to_owned(), detail })
    }
}

enum Problem {
    Detail(String),
    Limit { what: &'static str, limit: u64 },
}

fn detail(text: impl Into<String>) -> Result<(), Problem> {
    Err(Problem::Detail(text.into()))
}

fn check_chunks(chunks: &[ChunkRef], limits: &ManifestLimits) -> Result<(), ManifestError> {
    let mut seen = HashSet::with_capacity(chunks.len());
    for chunk in chunks {
        if chunk.len > limits.chunk_bytes {
            return Err(ManifestError::Limit { what: "bytes in one chunk", limit: limits.chunk_bytes.into() });
        }
        let detail = match (chunk.len, seen.insert(chunk.hash)) {
            (0, _) => "is empty",
            (_, false) => "is there twice",
            _ => continue,
        };
        let detail = format!("chunk {} {detail}", chunk.hash);
        return Err(ManifestError::Contents { path: "chunks".to_owned(), detail });
    }
    Ok(())
}

/// Names and order; no path twice, and nothing below a file or a link.
fn check_tree(entries: &[Entry]) -> Result<(), ManifestError> {
    for entry in entries {
        match &entry.kind {
            EntryKind::Symlink { target } => check_symlink(&entry.path, target)?,
            _ => check_path(&entry.path)?,
        }
    }
    for pair in entries.windows(2) {
        match pair[0].path.as_bytes().cmp(pair[1].path.as_bytes()) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => {
                let path = pair[0].path.clone();
                return Err(PathError { path, problem: PathProblem::Duplicate }.into());
            }
            std::cmp::Ordering::Greater => return Err(ManifestError::Unsorted),
        }
    }
    let is_leaf = |entry: &&Entry| !matches!(entry.kind, EntryKind::Directory);
    let leaves: HashSet<&str> = entries.iter().filter(is_leaf).map(|entry| entry.path.as_str()).collect();
    for entry in entries {
        for (at, _) in entry.path.match_indices('/') {
            let above = &entry.path[..at];
            if leaves.contains(above) {
                let problem = PathProblem::NotADirectory { below: entry.path.clone() };
                return Err(PathError { path: above.to_owned(), problem }.into());
            }
        }
    }
    Ok(())
}

/// `used` counts the chunks met so far: a new one must be the next of the list.
fn check_entry(entry: &Entry, chunks: &[ChunkRef], used: &mut usize, limits: &ManifestLimits) -> Result<(), Problem> {
    if entry.mode > 0o777 {
        return detail(format!("its mode {:o} has more than permission bits", entry.mode));
    }
    let EntryKind::File { size, segments, media_type, schema, .. } = &entry.kind else { return Ok(()) };
    let mut sum = 0_u64;
    for segment in segments {
        let index = segment.chunk as usize;
        let Some(chunk) = chunks.get(index) else {
            return detail(format!("it needs chunk {index} of {}", chunks.len()));
        };
        if index > *used {
            return detail("its chunks are not listed in the order of their use");
        }
        *used = (*used).max(index + 1);
        if segment.len == 0 || u64::from(segment.offset) + u64::from(segment.len) > u64::from(chunk.len) {
            let (offset, len) = (segment.offset, segment.len);
            return detail(format!("{len} bytes from offset {offset} are no piece of a chunk of {} bytes", chunk.len));
        }
        sum += u64::from(segment.len);
    }
    if sum != *size {
        return detail(format!("its size is {size}, its pieces have {sum} bytes"));
    }
    if media_type.len() > limits.text || media_type.chars().any(char::is_control) {
        return detail("its media type is too long or has control characters");
    }
    schema.as_ref().map_or(Ok(()), |table| check_table(table, limits))
}

fn check_table(table: &TableSchema, limits: &ManifestLimits) -> Result<(), Problem> {
    if table.columns.len() > limits.columns {
        return Err(Problem::Limit { what: "columns in one table", limit: limits.columns as u64 });
    }
    match table.columns.iter().find(|column| column.name.len() > limits.text) {
        Some(column) => detail(format!("a column name has {} bytes, at most {} fit", column.name.len(), limits.text)),
        None => Ok(()),
    }
}
