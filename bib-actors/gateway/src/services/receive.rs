//! The blocking side of an upload: owns the version's writer and gives it what comes.

use crate::listen::Passed;
use crate::problem::Problem;
use bib_chunks::{ChunkError, ChunkStore, Content, EntryKind, IngestOptions, SignedManifest, VersionWriter};
use bib_domain::{ContentHash, Need};
use bib_guardian::Space;
use bib_proto::passing::READ;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Code;

/// Bytes after which the disk is looked at again: well below any reserve.
const LOOK_EVERY: usize = 4 << 20;

/// What the upload says, in order.
pub(super) enum Command {
    /// A directory.
    Directory {
        /// Its path.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Its path.
        path: String,
        /// Where it points.
        target: String,
    },
    /// A file of the base version, as it is there.
    Keep {
        /// Its path, here and there.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A file, whose bytes follow.
    File(FileStart),
    /// Bytes of the file.
    Data(Vec<u8>),
    /// All bytes of the file, which is to be read to this size.
    Passed(Passed, u64),
    /// All is said.
    End,
}

/// The beginning of a file.
pub(super) struct FileStart {
    pub(super) path: String,
    pub(super) mode: u32,
    /// What the client says that its bytes hash to.
    pub(super) content: Option<ContentHash>,
}

/// Writes what comes until the end. Blocking: runs on a thread of its own.
///
/// The channel's end without [`Command::End`] is an upload that was given up: the writer is dropped, nothing stays. So it
/// ends, too, when the disk runs full meanwhile.
pub(super) fn receive(
    store: ChunkStore,
    space: &Space,
    base: Option<Arc<SignedManifest>>,
    mut commands: mpsc::Receiver<Command>,
) -> Result<Content, Problem> {
    let inner = VersionWriter::new(store, IngestOptions::default());
    let mut writer = Writer { inner, base, open: false, promised: HashMap::new() };
    let mut unlooked = 0;
    while let Some(command) = commands.blocking_recv() {
        if let Command::Data(bytes) = &command {
            unlooked += bytes.len();
            if unlooked >= LOOK_EVERY {
                unlooked = 0;
                space.admit(Need::Room)?;
            }
        }
        match command {
            Command::End => return writer.finish(),
            Command::Passed(passed, size) => writer.read(&passed, size, space, &commands)?,
            other => writer.take(other)?,
        }
    }
    Err(given_up())
}

fn given_up() -> Problem {
    Problem::new(Code::Cancelled, "UPLOAD_GIVEN_UP", "the upload was given up; nothing was published")
}

/// What was to be kept is not here: the client has it and can send it.
pub(super) fn base_gone(text: impl Into<String>) -> Problem {
    Problem::new(Code::FailedPrecondition, "BASE_GONE", text).hint("send all files: bib dataset upload --read-all")
}

fn unreadable(error: ChunkError) -> Problem {
    match error {
        ChunkError::Source { source } => {
            let text = format!("a file that was passed to the node cannot be read there: {source}");
            Problem::invalid("passed", "FILE_UNREADABLE", text).hint("look at the disk or the mount that it is on")
        }
        error => error.into(),
    }
}

/// A file that is read from its beginning, wherever its owner stands in it.
struct Source<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Source<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(space, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

struct Writer {
    inner: VersionWriter,
    /// What files may be kept from.
    base: Option<Arc<SignedManifest>>,
    /// Whether a file is open.
    open: bool,
    promised: HashMap<String, ContentHash>,
}

impl Writer {
    fn take(&mut self, command: Command) -> Result<(), Problem> {
        if let Command::Data(bytes) = command {
            return Ok(self.inner.write(&bytes)?);
        }
        self.end_file()?;
        match command {
            Command::Directory { path, mode } => self.inner.directory(&path, mode)?,
            Command::Symlink { path, target } => self.inner.symlink(&path, &target)?,
            Command::Keep { path, mode } => self.keep(&path, mode)?,
            Command::File(start) => {
                self.inner.begin_file(&start.path, start.mode)?;
                self.open = true;
                if let Some(content) = start.content {
                    self.promised.insert(start.path, content);
                }
            }
            Command::Data(_) | Command::Passed(..) | Command::End => {}
        }
        Ok(())
    }

    /// Reads a file that was passed, and a byte more than it should have.
    fn read(
        &mut self,
        passed: &Passed,
        size: u64,
        space: &Space,
        commands: &mpsc::Receiver<Command>,
    ) -> Result<(), Problem> {
        // only a hint: it is read from its beginning to its end
        let _ = rustix::fs::fadvise(&passed.file, 0, None, rustix::fs::Advice::Sequential);
        let mut source = Source { file: &passed.file, at: 0 };
        loop {
            if commands.is_closed() {
                return Err(given_up());
            }
            space.admit(Need::Room)?;
            let from = source.at;
            let most = size.saturating_add(1).saturating_sub(from).min(LOOK_EVERY as u64);
            self.inner.write_from(&mut (&mut source).take(most)).map_err(unreadable)?;
            if source.at == from || source.at > size {
                break;
            }
            passed.progress.send_replace(source.at);
        }
        passed.progress.send_replace(source.at | READ);
        Ok(())
    }

    fn keep(&mut self, path: &str, mode: u32) -> Result<(), Problem> {
        let Some(base) = &self.base else { return Err(base_gone("the upload names no base version")) };
        self.inner.keep_file(base.manifest(), path, mode).map_err(|error| match error {
            ChunkError::NoSuchFile { .. } | ChunkError::NotAFile { .. } | ChunkError::Missing { .. } => {
                base_gone(format!("{path:?} cannot be taken over from the base version: {error}")).with("path", path)
            }
            error => error.into(),
        })
    }

    fn end_file(&mut self) -> Result<(), Problem> {
        if std::mem::take(&mut self.open) {
            self.inner.end_file()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Content, Problem> {
        self.end_file()?;
        let content = self.inner.finish()?;
        for entry in &content.entries {
            let EntryKind::File { content: found, .. } = &entry.kind else { continue };
            if let Some(promised) = self.promised.get(&entry.path)
                && promised != found
            {
                let text = format!("{:?} arrived with the hash {found}, and the client says {promised}", entry.path);
                return Err(Problem::invalid("entry.content_hash", "CONTENT_MISMATCH", text)
                    .hint("upload again when nobody writes to the file")
                    .with("path", entry.path.clone()));
            }
        }
        Ok(content)
    }
}
