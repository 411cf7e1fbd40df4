//! The chunk store as DataFusion's object store: read-only, by ranges, with only the files of one query in it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::fault::ReadFault;
use super::file::ChunkFile;
use super::reads::Reads;

/// Bytes of one item of a streamed answer.
const STREAM_STEP: u64 = 4 << 20;

/// The files of one query.
#[derive(Debug)]
pub(crate) struct ChunkObjects {
    reads: Reads,
    files: HashMap<Path, Arc<ChunkFile>>,
    /// Bytes that one read may bring.
    most: u64,
}

impl ChunkObjects {
    /// No read may bring more than `most` bytes: whoever reads holds all of them.
    pub(crate) fn new(reads: Reads, files: &[Arc<ChunkFile>], most: u64) -> Self {
        Self { reads, files: files.iter().map(|file| (location(file), Arc::clone(file))).collect(), most }
    }

    fn check(&self, file: &ChunkFile, bytes: u64) -> Result<()> {
        if bytes <= self.most {
            return Ok(());
        }
        let detail = format!(
            "{} MiB of it would be read at once, and {} are allowed; choose fewer columns, or write it again with \
             smaller row groups",
            bytes >> 20,
            self.most >> 20
        );
        Err(ReadFault::new(&file.path, detail).into())
    }

    fn file(&self, location: &Path) -> Result<&Arc<ChunkFile>> {
        self.files.get(location).ok_or_else(|| Error::NotFound {
            path: location.to_string(),
            source: "it is not a file of this query".into(),
        })
    }
}

/// Where a file stands in the store. The name holds the content's hash, so that what is cached by name stays right.
pub(crate) fn location(file: &ChunkFile) -> Path {
    Path::from_iter([file.content.to_hex().as_str(), file.path.rsplit('/').next().unwrap_or("file")])
}

/// What the store says about a file. The time is the same for all: content named by its hash does not change.
pub(crate) fn meta(file: &ChunkFile) -> ObjectMeta {
    ObjectMeta {
        location: location(file),
        last_modified: DateTime::UNIX_EPOCH,
        size: file.size,
        e_tag: Some(file.content.to_hex()),
        version: None,
    }
}

impl fmt::Display for ChunkObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("chunks")
    }
}

fn read_only<T>() -> Result<T> {
    Err(Error::NotSupported { source: "a query only reads".into() })
}

#[async_trait]
impl ObjectStore for ChunkObjects {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let file = Arc::clone(self.file(location)?);
        let range = match &options.range {
            Some(range) => range
                .as_range(file.size)
                .map_err(|error| Error::Generic { store: "chunks", source: Box::new(error) })?,
            None => 0..file.size,
        };
        self.check(&file, if options.head { 0 } else { range.end - range.start })?;
        let reads = self.reads.clone();
        let (meta, answered) = (meta(&file), range.clone());
        let steps = if options.head { 0..0 } else { range };
        let payload = stream::try_unfold((reads, file, steps), |(reads, file, left)| async move {
            if left.is_empty() {
                return Ok(None);
            }
            let to = left.end.min(left.start + STREAM_STEP);
            let step = std::iter::once(left.start..to).collect();
            let bytes = reads.ranges(&file, step).await?.pop().unwrap_or_default();
            Ok(Some((bytes, (reads, file, to..left.end))))
        });
        Ok(GetResult {
            payload: GetResultPayload::Stream(payload.boxed()),
            meta,
            range: answered,
            attributes: Attributes::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let file = self.file(location)?;
        let sum = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.end.saturating_sub(range.start)));
        self.check(file, sum)?;
        Ok(self.reads.ranges(file, ranges.to_vec()).await?)
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let all: Vec<_> = self.files.values().map(|file| Ok(meta(file))).collect();
        stream::iter(all).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        let objects = self.files.values().map(|file| meta(file)).collect();
        Ok(ListResult { common_prefixes: Vec::new(), objects })
    }

    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> Result<PutResult> {
        read_only()
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        read_only()
    }

    fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        stream::once(async { read_only() }).boxed()
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        read_only()
    }
}
