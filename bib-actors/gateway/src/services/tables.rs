//! Tables among the files of an upload: what type a file is, and which columns it has.

use crate::problem::Problem;
use bib_chunks::{ChunkStore, Content, EntryKind};
use bib_query::{DetectError, describe};

/// What to tell about one file.
pub(super) struct Notice {
    pub(super) path: String,
    pub(super) text: String,
}

/// What was found in the files of an upload.
pub(super) struct Found {
    pub(super) content: Content,
    /// Files whose tables queries cannot read, in the order of their paths, as many as were asked for.
    pub(super) notices: Vec<Notice>,
    /// Such files beyond those.
    pub(super) more_notices: u64,
}

/// The type of a table that is kept although it cannot be read as one.
const PLAIN_BYTES: &str = "application/octet-stream";

/// Adds the media type of each file and the schema of each table. A table that cannot be read is refused, or kept as
/// plain bytes when that is allowed, with one of at most `most` notices.
///
/// Blocking: reads whole files.
pub(super) fn describe_files(
    store: &ChunkStore,
    mut content: Content,
    allow_broken: bool,
    most: usize,
) -> Result<Found, Problem> {
    let (mut notices, mut more_notices) = (Vec::new(), 0);
    let Content { entries, chunks, .. } = &mut content;
    for entry in entries.iter_mut().filter(|entry| entry.is_file()) {
        // a table that was kept from an earlier version is described already
        if matches!(&entry.kind, EntryKind::File { schema: Some(_), .. }) {
            continue;
        }
        let found = describe(store, chunks, entry);
        let (kind, table, notice) = match found.table {
            Ok(table) => (found.media_type, table, found.notice),
            Err(error) if allow_broken && !matches!(error, DetectError::Read { .. }) => {
                (PLAIN_BYTES.to_owned(), None, Some(format!("it is kept as plain bytes: {error}")))
            }
            Err(error) => return Err(refused(&entry.path, &error)),
        };
        match notice {
            Some(text) if notices.len() < most => notices.push(Notice { path: entry.path.clone(), text }),
            Some(_) => more_notices += 1,
            None => {}
        }
        if let EntryKind::File { media_type, schema, .. } = &mut entry.kind {
            (*media_type, *schema) = (kind, table);
        }
    }
    Ok(Found { content, notices, more_notices })
}

fn refused(path: &str, error: &DetectError) -> Problem {
    let problem = match error {
        DetectError::Read { .. } => return Problem::internal(error),
        DetectError::Encoding { line, .. } | DetectError::Ragged { line, .. } | DetectError::Line { line, .. } => {
            broken(error).with("line", line.to_string())
        }
        DetectError::Broken { .. } => broken(error),
    };
    problem.with("path", path)
}

fn broken(error: &DetectError) -> Problem {
    Problem::invalid("data", "BROKEN_TABLE", error.to_string())
        .hint("mend the file, or upload with --allow-broken-tables to keep it as plain bytes")
}
