//! Reads the structure of an encoded manifest, from strangers too: nothing here trusts a length.
//!
//! Says only whether the structure is right. Order, names and sums are checked by [`super::check_content`], the one
//! permitted spelling by encoding again.

use super::encode::{DIRECTORY, FILE, SYMLINK};
use super::{ChunkRef, Column, ColumnType, Entry, EntryKind, FORMAT, Manifest, Segment, TableSchema};
use crate::{ManifestError, ManifestLimits};
use bib_domain::{ChunkHash, ContentHash, VersionId};
use minicbor::Decoder;
use minicbor::data::Type;

type Result<T> = std::result::Result<T, ManifestError>;

/// A reader of canonical CBOR that counts what it hands out.
struct Reader<'b> {
    input: Decoder<'b>,
    limits: &'b ManifestLimits,
    segments: usize,
}

pub(super) fn manifest(bytes: &[u8], limits: &ManifestLimits) -> Result<Manifest> {
    let mut reader = Reader { input: Decoder::new(bytes), limits, segments: 0 };
    reader.tuple(9)?;
    let format = reader.text()?;
    if format != FORMAT {
        return Err(ManifestError::Format { detail: format!("it says {:?} instead of {FORMAT:?}", shorten(&format)) });
    }
    let manifest = Manifest {
        dataset: reader.text()?,
        number: reader.get(Decoder::u64)?,
        created_ms: reader.get(Decoder::i64)?,
        message: reader.text()?,
        parents: reader.list("parents", limits.parents, |reader| reader.hash().map(VersionId::from_bytes))?,
        publisher: reader.hash()?,
        chunks: reader.list("chunks", limits.chunks, Reader::chunk)?,
        entries: reader.list("entries", limits.entries, Reader::entry)?,
    };
    if reader.input.position() == bytes.len() {
        Ok(manifest)
    } else {
        Err(ManifestError::Format { detail: format!("there are bytes after its end at {}", reader.input.position()) })
    }
}

impl<'b> Reader<'b> {
    fn get<T>(
        &mut self,
        read: impl FnOnce(&mut Decoder<'b>) -> std::result::Result<T, minicbor::decode::Error>,
    ) -> Result<T> {
        let at = self.input.position();
        read(&mut self.input).map_err(|error| ManifestError::Format { detail: format!("at byte {at}: {error}") })
    }

    fn text(&mut self) -> Result<String> {
        self.get(Decoder::str).map(str::to_owned)
    }

    fn hash(&mut self) -> Result<[u8; 32]> {
        let at = self.input.position();
        let bytes = self.get(Decoder::bytes)?;
        bytes.try_into().map_err(|_| ManifestError::Format {
            detail: format!("at byte {at}: 32 bytes expected, found {}", bytes.len()),
        })
    }

    fn length(&mut self) -> Result<u64> {
        let at = self.input.position();
        self.get(Decoder::array)?
            .ok_or_else(|| ManifestError::Format { detail: format!("at byte {at}: an array without length") })
    }

    fn tuple(&mut self, expected: u64) -> Result<()> {
        let at = self.input.position();
        match self.length()? {
            found if found == expected => Ok(()),
            found => Err(ManifestError::Format {
                detail: format!("at byte {at}: {expected} elements expected, found {found}"),
            }),
        }
    }

    /// A list. Memory grows with what was really read, not with the length that the bytes claim.
    fn list<T>(&mut self, what: &'static str, limit: usize, one: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        const AT_ONCE: usize = 1024;
        let length = usize::try_from(self.length()?).unwrap_or(usize::MAX);
        if length > limit {
            return Err(ManifestError::Limit { what, limit: limit as u64 });
        }
        let mut items = Vec::with_capacity(length.min(AT_ONCE));
        for _ in 0..length {
            items.push(one(self)?);
        }
        Ok(items)
    }

    fn is_null(&mut self) -> Result<bool> {
        let null = self.input.datatype().is_ok_and(|kind| kind == Type::Null);
        if null {
            self.get(Decoder::null)?;
        }
        Ok(null)
    }

    fn chunk(&mut self) -> Result<ChunkRef> {
        self.tuple(2)?;
        Ok(ChunkRef { hash: ChunkHash::from_bytes(self.hash()?), len: self.get(Decoder::u32)? })
    }

    fn entry(&mut self) -> Result<Entry> {
        let at = self.input.position();
        let length = self.length()?;
        let kind = self.get(Decoder::u8)?;
        let path = self.text()?;
        let mode = self.get(Decoder::u32)?;
        let kind = match (kind, length) {
            (FILE, 8) => self.file()?,
            (DIRECTORY, 3) => EntryKind::Directory,
            (SYMLINK, 4) => EntryKind::Symlink { target: self.text()? },
            _ => {
                let detail = format!("at byte {at}: an entry of kind {kind} with {length} elements");
                return Err(ManifestError::Format { detail });
            }
        };
        Ok(Entry { path, mode, kind })
    }

    fn file(&mut self) -> Result<EntryKind> {
        let size = self.get(Decoder::u64)?;
        let content = ContentHash::from_bytes(self.hash()?);
        let segments = self.list("segments", self.limits.segments - self.segments, |reader| {
            reader.tuple(3)?;
            let chunk = reader.get(Decoder::u32)?;
            Ok(Segment { chunk, offset: reader.get(Decoder::u32)?, len: reader.get(Decoder::u32)? })
        })?;
        self.segments += segments.len();
        let media_type = self.text()?;
        let schema = if self.is_null()? { None } else { Some(self.table()?) };
        Ok(EntryKind::File { size, content, segments, media_type, schema })
    }

    fn table(&mut self) -> Result<TableSchema> {
        self.tuple(2)?;
        let columns = self.list("columns in one table", self.limits.columns, |reader| {
            reader.tuple(3)?;
            let name = reader.text()?;
            let at = reader.input.position();
            let code = reader.get(Decoder::u8)?;
            let data_type = ColumnType::from_code(code).ok_or_else(|| ManifestError::Format {
                detail: format!("at byte {at}: there is no column type {code}"),
            })?;
            Ok(Column { name, data_type, nullable: reader.get(Decoder::bool)? })
        })?;
        let rows = if self.is_null()? { None } else { Some(self.get(Decoder::u64)?) };
        Ok(TableSchema { columns, rows })
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}
