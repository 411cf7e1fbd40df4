//! The messages of an Arrow file or stream, looked at before Arrow's reader gives memory to what they claim. Owns the
//! bounds of a message; reads headers only.

use std::io::{Read, Seek, SeekFrom};

use arrow::ipc::{Block, Buffer, CompressionType, RecordBatch, root_as_footer, root_as_message};

use super::fault::ReadFault;
use super::file::ChunkReader;
use super::pages::fits;

/// Bytes of a message's description, or of a file's footer.
const MAX_HEADER: u64 = 64 << 20;

/// Rows of one batch. A batch of nulls takes no bytes, and what is computed from it does.
const MAX_ROWS: i64 = 1 << 26;

/// Bytes of one batch, as it lies in the file and once it is unpacked.
const MAX_BATCH: u64 = 768 << 20;

/// Bytes that LZ4 makes of one byte at most.
const LZ4_RATIO: u64 = 255;

/// What begins a message since 2019; older ones begin with their length.
const MARK: [u8; 4] = [0xff; 4];

/// The last bytes of a file behind its footer: the footer's length, and a name.
const TAIL: u64 = 10;

/// Refuses a file with a message that lies outside of it or takes too much memory. Leaves the reader at its beginning.
pub(crate) fn check_frames(reader: &mut ChunkReader, stream: bool) -> Result<(), FrameFault> {
    let size = reader.file().size;
    let mut frames = Frames { reader, size };
    if stream {
        frames.stream()?
    } else {
        frames.file()?
    }
    reader.seek(SeekFrom::Start(0))?;
    Ok(())
}

/// Why a file is not read.
pub(crate) enum FrameFault {
    /// Its bytes could not be had.
    Read(std::io::Error),
    /// What is wrong with them.
    Says(String),
}

impl FrameFault {
    /// The fault of the file at `path`.
    pub(super) fn of(self, path: &str) -> ReadFault {
        match self {
            Self::Read(error) => ReadFault::find(&error).unwrap_or_else(|| ReadFault::new(path, error)),
            Self::Says(detail) => ReadFault::new(path, detail),
        }
    }
}

impl From<std::io::Error> for FrameFault {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

fn cut(what: &str) -> FrameFault {
    FrameFault::Says(format!("it is not a whole Arrow file: {what}; the file was cut off or changed, write it again"))
}

fn large(what: &str, found: u64, most: u64, unit: &str) -> FrameFault {
    FrameFault::Says(format!("{what} {found} {unit}, and {most} are allowed; write it again in smaller batches"))
}

struct Frames<'a> {
    reader: &'a mut ChunkReader,
    size: u64,
}

impl Frames<'_> {
    fn read(&mut self, at: u64, length: u64) -> Result<Vec<u8>, FrameFault> {
        if at.checked_add(length).is_none_or(|end| end > self.size) {
            return Err(cut("a part of it lies behind its end"));
        }
        if length > MAX_HEADER {
            return Err(large("a description in it has", length >> 20, MAX_HEADER >> 20, "MiB"));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.reader.seek(SeekFrom::Start(at))?;
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn length(&mut self, at: u64) -> Result<i32, FrameFault> {
        let bytes = self.read(at, 4)?;
        Ok(i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn stream(&mut self) -> Result<(), FrameFault> {
        let mut at = 0;
        while at + 4 <= self.size {
            let mut length = self.length(at)?;
            at += 4;
            if length.to_le_bytes() == MARK {
                length = self.length(at)?;
                at += 4;
            }
            let Ok(length) = u64::try_from(length) else { return Err(cut("a message has a negative length")) };
            if length == 0 {
                return Ok(());
            }
            let header = self.read(at, length)?;
            at += length;
            at += self.message(&header, at)?;
        }
        Ok(())
    }

    fn file(&mut self) -> Result<(), FrameFault> {
        let Some(end) = self.size.checked_sub(TAIL) else { return Err(cut("it has no footer")) };
        let tail = self.read(end, TAIL)?;
        if !tail.ends_with(b"ARROW1") {
            return Err(cut("it does not end as such a file does"));
        }
        let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        let Some(start) = end.checked_sub(length) else { return Err(cut("its footer is longer than it")) };
        let footer = self.read(start, length)?;
        let Ok(footer) = root_as_footer(&footer) else { return Err(cut("its footer is damaged")) };
        let batches = footer.recordBatches().into_iter().flatten();
        let blocks: Vec<Block> = batches.chain(footer.dictionaries().into_iter().flatten()).copied().collect();
        blocks.iter().try_for_each(|block| self.block(block))
    }

    fn block(&mut self, block: &Block) -> Result<(), FrameFault> {
        let numbers =
            (u64::try_from(block.offset()), u64::try_from(block.metaDataLength()), u64::try_from(block.bodyLength()));
        let (Ok(at), Ok(length), Ok(body)) = numbers else { return Err(cut("a batch has a negative length")) };
        if length < 8 {
            return Err(cut("a batch has no description"));
        }
        if body > MAX_BATCH {
            return Err(large("a batch in it has", body >> 20, MAX_BATCH >> 20, "MiB"));
        }
        let header = self.read(at, length)?;
        let end = at + length;
        if end.checked_add(body).is_none_or(|end| end > self.size) {
            return Err(cut("a batch lies behind its end"));
        }
        let header = if header.starts_with(&MARK) { &header[8..] } else { &header[4..] };
        self.message(header, end).map(|_| ())
    }

    /// Looks at a message whose body begins at `at`; tells how long the body is.
    fn message(&mut self, header: &[u8], at: u64) -> Result<u64, FrameFault> {
        let Ok(message) = root_as_message(header) else { return Err(cut("a message is damaged")) };
        let Ok(body) = u64::try_from(message.bodyLength()) else { return Err(cut("a message has a negative length")) };
        if at.checked_add(body).is_none_or(|end| end > self.size) {
            return Err(cut("a message ends behind its end"));
        }
        if body > MAX_BATCH {
            return Err(large("a batch in it has", body >> 20, MAX_BATCH >> 20, "MiB"));
        }
        let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
        if let Some(batch) = message.header_as_record_batch().or(dictionary) {
            self.batch(&batch, at, body)?;
        }
        Ok(body)
    }

    fn batch(&mut self, batch: &RecordBatch<'_>, at: u64, body: u64) -> Result<(), FrameFault> {
        let nodes = batch.nodes().into_iter().flatten().map(|node| node.length());
        if let Some(rows) = nodes.chain([batch.length()]).find(|rows| !(0..=MAX_ROWS).contains(rows)) {
            let rows = u64::try_from(rows).map_err(|_| cut("a batch has a negative number of rows"))?;
            return Err(large("a batch in it has", rows, MAX_ROWS as u64, "rows"));
        }
        let Some(packing) = batch.compression() else { return Ok(()) };
        let lz4 = packing.codec() == CompressionType::LZ4_FRAME;
        let buffers: Vec<Buffer> = batch.buffers().into_iter().flatten().copied().collect();
        let mut all = 0_u64;
        for buffer in buffers.iter().filter(|buffer| buffer.length() != 0) {
            let (Ok(offset), Ok(length)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length())) else {
                return Err(cut("a buffer has a negative length"));
            };
            if length < 8 || offset.checked_add(length).is_none_or(|end| end > body) {
                return Err(cut("a buffer lies outside of its batch"));
            }
            let prefix = self.read(at + offset, 8)?;
            let claimed = i64::from_le_bytes(prefix.try_into().unwrap_or_default());
            // -1 stands for bytes that are not packed
            let Ok(claimed) = u64::try_from(claimed) else { continue };
            all = all.saturating_add(claimed);
            if all > MAX_BATCH {
                return Err(large("a batch in it unpacks to", all >> 20, MAX_BATCH >> 20, "MiB"));
            }
            if lz4 && (length - 8).saturating_mul(LZ4_RATIO) > MAX_BATCH {
                self.reader.seek(SeekFrom::Start(at + offset + 8))?;
                let packed = (&mut *self.reader).take(length - 8);
                if !fits(lz4_flex::frame::FrameDecoder::new(packed), claimed) {
                    return Err(cut("a buffer unpacks to more bytes than it says"));
                }
            }
        }
        Ok(())
    }
}
