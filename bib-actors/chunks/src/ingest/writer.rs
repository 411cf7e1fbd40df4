//! Takes one version in, entry by entry, and gives back what a manifest needs.

use super::work::{OpenFile, Work};
use super::{Content, arrange};
use crate::manifest::{ChunkRef, Entry, EntryKind, Manifest, check_content};
use crate::store::ChunkStore;
use crate::{BatchReport, ChunkError, IngestOptions, ManifestError};
use bib_domain::{ContentHash, check_path, check_symlink};
use std::io::Read;

/// Streams the files of one version into a store. Memory is bounded by the options, not by the files.
///
/// Files go in one after the other. Give them in the order of their paths: then small neighbours share chunks with
/// the same neighbours in the next version. Nothing is promised before [`Self::finish`]; a writer that is dropped
/// leaves at most chunks that no version names, which a sweep removes later.
#[derive(Debug)]
pub struct VersionWriter {
    store: ChunkStore,
    options: IngestOptions,
    work: Option<Work>,
    entries: Vec<Entry>,
    open: Option<OpenFile>,
    segments: usize,
    failed: bool,
}

const PERMISSIONS: u32 = 0o777;

impl VersionWriter {
    /// Begins a version.
    #[must_use]
    pub fn new(store: ChunkStore, options: IngestOptions) -> Self {
        Self { store, options, work: None, entries: Vec::new(), open: None, segments: 0, failed: false }
    }

    /// Adds a directory. Needed only for empty ones and for their modes: others are implied by the files in them.
    ///
    /// # Errors
    /// [`ChunkError::Path`], [`ChunkError::Limit`], [`ChunkError::Order`].
    pub fn directory(&mut self, path: &str, mode: u32) -> Result<(), ChunkError> {
        check_path(path)?;
        self.add(Entry { path: path.to_owned(), mode: mode & PERMISSIONS, kind: EntryKind::Directory })
    }

    /// Adds a symbolic link. It is kept as a link; one that leads out of the version is refused.
    ///
    /// # Errors
    /// As [`Self::directory`].
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<(), ChunkError> {
        check_symlink(path, target)?;
        let kind = EntryKind::Symlink { target: target.to_owned() };
        self.add(Entry { path: path.to_owned(), mode: PERMISSIONS, kind })
    }

    /// Begins a file; its bytes follow with [`Self::write`] until [`Self::end_file`].
    ///
    /// # Errors
    /// As [`Self::directory`].
    pub fn begin_file(&mut self, path: &str, mode: u32) -> Result<(), ChunkError> {
        check_path(path)?;
        self.ready()?;
        self.open = Some(OpenFile::new(path, mode & PERMISSIONS));
        Ok(())
    }

    /// Adds bytes to the file.
    ///
    /// # Errors
    /// [`ChunkError::Order`] without a file, or what an earlier chunk met on its way to the disk.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        let mut rest = bytes;
        self.feed(|space| {
            let n = space.len().min(rest.len());
            let (now, later) = rest.split_at(n);
            space[..n].copy_from_slice(now);
            rest = later;
            Ok(n)
        })
    }

    /// Adds all that a reader has to the file, without a copy in between.
    ///
    /// # Errors
    /// [`ChunkError::Source`] when the reader fails, else as [`Self::write`].
    pub fn write_from(&mut self, reader: &mut dyn Read) -> Result<(), ChunkError> {
        self.feed(|space| {
            loop {
                match reader.read(space) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    other => return other.map_err(|source| ChunkError::Source { source }),
                }
            }
        })
    }

    /// Adds a whole file.
    ///
    /// # Errors
    /// As [`Self::begin_file`] and [`Self::write_from`].
    pub fn file(&mut self, path: &str, mode: u32, reader: &mut dyn Read) -> Result<(), ChunkError> {
        self.begin_file(path, mode)?;
        self.write_from(reader)?;
        self.end_file()
    }

    /// Adds a file of an earlier version as it is, but for its mode, without reading it.
    ///
    /// # Errors
    /// [`ChunkError::NotAFile`], [`ChunkError::Missing`] when a chunk is not here any more, else as
    /// [`Self::begin_file`]. The version may be written on: give the file's bytes instead.
    pub fn keep_file(&mut self, earlier: &Manifest, path: &str, mode: u32) -> Result<(), ChunkError> {
        let entry = earlier.entry(path).ok_or_else(|| ChunkError::NoSuchFile { path: path.to_owned() })?;
        if !entry.is_file() {
            return Err(ChunkError::NotAFile { path: path.to_owned() });
        }
        let mut kept = Entry { mode: mode & PERMISSIONS, ..entry.clone() };
        self.ready()?;
        let work = self.work()?;
        if let EntryKind::File { segments, .. } = &mut kept.kind {
            for segment in segments {
                let chunk = earlier.chunks.get(segment.chunk as usize).copied();
                let lost = ChunkError::Order { problem: "the earlier manifest lacks a chunk that it uses" };
                segment.chunk = work.keep(chunk.ok_or(lost)?)?;
            }
        }
        self.count_segments(kept.segments().len())?;
        self.add(kept)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn end_file(&mut self) -> Result<(), ChunkError> {
        let Some(mut file) = self.open.take() else { return Err(NO_FILE) };
        let number = self.entries.len();
        let result = self.work().and_then(|work| work.end_file(&mut file, number));
        // the hash of a large file is filled in at the end, when its thread is done
        let content = self.guard(result)?.unwrap_or(ContentHash::from_bytes([0; 32]));
        let OpenFile { path, mode, size, segments, .. } = file;
        self.count_segments(segments.len())?;
        let kind = EntryKind::File { size, content, segments, media_type: String::new(), schema: None };
        self.add(Entry { path, mode, kind })
    }

    /// Ends the version. When this returns, all its chunks are on the disk.
    ///
    /// # Errors
    /// What the disk says, or [`ChunkError::Manifest`] when the entries do not form a tree. Nothing is promised then.
    pub fn finish(mut self) -> Result<Content, ChunkError> {
        self.ready()?;
        let mut names = Vec::new();
        let mut report = BatchReport::default();
        let mut hold = None;
        if let Some(work) = self.work.take() {
            let done = work.finish()?;
            report = done.report;
            hold = done.hold;
            for (entry, hash) in done.contents {
                if let Some(EntryKind::File { content, .. }) = self.entries.get_mut(entry).map(|entry| &mut entry.kind)
                {
                    *content = hash;
                }
            }
            names = done.names.into_iter().collect::<Option<Vec<ChunkRef>>>().ok_or(ChunkError::WriterFailed)?;
        }
        let (entries, chunks) = arrange(self.entries, &names);
        check_content(&entries, &chunks, &self.options.limits).map_err(|error| match error {
            ManifestError::Limit { what, limit } => ChunkError::Limit { what, limit },
            ManifestError::Path(error) => error.into(),
            error => error.into(),
        })?;
        Ok(Content { entries, chunks, new_chunks: report.new_chunks, new_bytes: report.new_bytes, _hold: hold })
    }

    /// Takes bytes from `fill` into the open file until it has no more.
    fn feed(&mut self, mut fill: impl FnMut(&mut [u8]) -> Result<usize, ChunkError>) -> Result<(), ChunkError> {
        let Some(mut file) = self.open.take() else { return Err(NO_FILE) };
        let result = self.work().and_then(|work| {
            while work.take(&mut file, &mut fill)? > 0 {}
            Ok(())
        });
        self.open = Some(file);
        self.guard(result)
    }

    fn add(&mut self, entry: Entry) -> Result<(), ChunkError> {
        self.ready()?;
        if self.entries.len() >= self.options.limits.entries {
            return Err(ChunkError::Limit { what: "entries", limit: self.options.limits.entries as u64 });
        }
        self.entries.push(entry);
        Ok(())
    }

    fn count_segments(&mut self, more: usize) -> Result<(), ChunkError> {
        self.segments += more;
        if self.segments > self.options.limits.segments {
            self.failed = true;
            return Err(ChunkError::Limit { what: "segments", limit: self.options.limits.segments as u64 });
        }
        Ok(())
    }

    fn ready(&self) -> Result<(), ChunkError> {
        if self.failed {
            Err(ChunkError::WriterFailed)
        } else if self.open.is_some() {
            Err(ChunkError::Order { problem: "the file that was begun is not ended" })
        } else {
            Ok(())
        }
    }

    fn guard<T>(&mut self, result: Result<T, ChunkError>) -> Result<T, ChunkError> {
        self.failed |= result.is_err();
        result
    }

    fn work(&mut self) -> Result<&mut Work, ChunkError> {
        if self.failed {
            return Err(ChunkError::WriterFailed);
        }
        let work = match self.work.take() {
            Some(work) => work,
            None => Work::start(&self.store, &self.options)?,
        };
        Ok(self.work.insert(work))
    }
}

const NO_FILE: ChunkError = ChunkError::Order { problem: "there is no file that was begun" };
