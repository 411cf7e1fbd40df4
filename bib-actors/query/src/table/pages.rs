//! What the pages of a Parquet file take once they are unpacked, told before they are: from their headers, and from
//! the packed bytes where a header may lie. Pure: bytes in, a verdict out.

use std::io::{Read, Write};

use parquet::basic::Compression;

/// Structures within each other in a page's header; the format has three.
const MAX_DEPTH: usize = 8;

/// Bytes that Deflate makes of one byte at most.
const DEFLATE_RATIO: u64 = 1032;

/// Bytes that LZ4 makes of one byte at most.
const LZ4_RATIO: u64 = 255;

/// Why pages are not unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PageProblem {
    /// They take more memory than a query may hold.
    TooLarge { bytes: u64 },
    /// They are not pages, or say something else than they hold.
    Damaged(&'static str),
}

/// The bytes of the largest page in `bytes`, a run of pages as a column has them, once it is unpacked; at most `most`.
pub(super) fn largest(bytes: &[u8], codec: Compression, most: u64) -> Result<u64, PageProblem> {
    let (mut at, mut largest) = (0, 0);
    while at < bytes.len() {
        let Some(header) = Header::read(&bytes[at..]) else {
            return Err(PageProblem::Damaged("a page has no header that can be read"));
        };
        let body = &bytes[at + header.len..];
        // a run may end within a page that nobody asked for
        let packed = &body[..body.len().min(header.packed)];
        let unpacked = if codec == Compression::UNCOMPRESSED { header.packed as u64 } else { header.unpacked };
        if unpacked > most {
            return Err(PageProblem::TooLarge { bytes: unpacked });
        }
        if packed.len() == header.packed {
            check_claim(packed, &header, codec, most)?;
        }
        largest = largest.max(unpacked);
        at += header.len + header.packed;
    }
    Ok(largest)
}

/// Formats whose reader goes on until its input ends, whatever the header says, are unpacked into nothing first, where
/// they could hold more than is allowed.
fn check_claim(packed: &[u8], header: &Header, codec: Compression, most: u64) -> Result<(), PageProblem> {
    let packed = packed.get(header.levels..).unwrap_or_default();
    let bytes = packed.len() as u64;
    let claimed = header.unpacked.saturating_sub(header.levels as u64);
    let fits = match codec {
        Compression::GZIP(_) if bytes.saturating_mul(DEFLATE_RATIO) > most => {
            fits(flate2::read::MultiGzDecoder::new(packed), claimed)
        }
        Compression::BROTLI(_) => fits(brotli::Decompressor::new(packed, 64 << 10), claimed),
        // read as frames only where it is nothing else
        Compression::LZ4 if bytes.saturating_mul(LZ4_RATIO) > most => {
            fits(lz4_flex::frame::FrameDecoder::new(packed), claimed)
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(PageProblem::Damaged("a page unpacks to more bytes than its header says")) }
}

/// Whether no more than `most` bytes come. A reader that fails is left to who reads it in earnest.
pub(super) fn fits(reader: impl Read, most: u64) -> bool {
    let mut nothing = Nothing(0);
    let _ = std::io::copy(&mut reader.take(most + 1), &mut nothing);
    nothing.0 <= most
}

/// Counts bytes.
struct Nothing(u64);

impl Write for Nothing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The header of a page, as far as memory goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Its own bytes.
    len: usize,
    unpacked: u64,
    packed: usize,
    /// Bytes before the packed ones that are never packed, in pages of the second version.
    levels: usize,
}

impl Header {
    /// Reads Thrift's compact form.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut thrift = Thrift { bytes, at: 0 };
        let (mut unpacked, mut packed, mut levels) = (None, None, 0);
        let mut last = 0;
        while let Some((id, kind)) = thrift.field(last)? {
            last = id;
            match (id, kind) {
                (2, I32) => unpacked = Some(u64::try_from(thrift.int()?).ok()?),
                (3, I32) => packed = Some(usize::try_from(thrift.int()?).ok()?),
                (8, STRUCT) => levels = thrift.levels()?,
                _ => thrift.skip(kind, MAX_DEPTH)?,
            }
        }
        Some(Self { len: thrift.at, unpacked: unpacked?, packed: packed?, levels })
    }
}

const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

/// Reads Thrift's compact form; none where the bytes end or make no sense.
struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some(((value >> 1) as i64) ^ -((value & 1) as i64))
    }

    /// The number and kind of the next field, none at the end of a structure.
    fn field(&mut self, last: i64) -> Option<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        let id = match head >> 4 {
            0 => self.int()?,
            step => last + i64::from(step),
        };
        Some(Some((id, head & 0x0f)))
    }

    /// Fields 5 and 6 of a header of the second version: bytes of its levels.
    fn levels(&mut self) -> Option<usize> {
        let (mut last, mut bytes) = (0, 0_usize);
        while let Some((id, kind)) = self.field(last)? {
            last = id;
            match (id, kind) {
                (5 | 6, I32) => bytes = bytes.checked_add(usize::try_from(self.int()?).ok()?)?,
                _ => self.skip(kind, MAX_DEPTH)?,
            }
        }
        Some(bytes)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => {}
            BYTE => self.at += 1,
            I16 | I32 | I64 => {
                self.varint()?;
            }
            DOUBLE => self.at += 8,
            BINARY => self.at = self.at.checked_add(usize::try_from(self.varint()?).ok()?)?,
            LIST | SET => {
                let head = self.byte()?;
                let size = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                self.skip_all(head & 0x0f, size, depth)?;
            }
            MAP => {
                let size = self.varint()?;
                if size > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..size {
                        self.skip_all(kinds >> 4, 1, depth)?;
                        self.skip_all(kinds & 0x0f, 1, depth)?;
                    }
                }
            }
            STRUCT => {
                let mut last = 0;
                while let Some((id, kind)) = self.field(last)? {
                    last = id;
                    self.skip(kind, depth)?;
                }
            }
            _ => return None,
        }
        (self.at <= self.bytes.len()).then_some(())
    }

    /// Elements of a list; a boolean takes a byte there.
    fn skip_all(&mut self, kind: u8, count: u64, depth: usize) -> Option<()> {
        for _ in 0..count {
            match kind {
                1 | 2 => {
                    self.byte()?;
                }
                kind => self.skip(kind, depth)?,
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header of the first version: type 0, the two sizes, a structure with one field.
    fn page(unpacked: i32, body: &[u8]) -> Vec<u8> {
        let zigzag = |mut value: u64| {
            value <<= 1;
            let mut out = Vec::new();
            while value >= 0x80 {
                out.push((value & 0x7f) as u8 | 0x80);
                value >>= 7;
            }
            out.push(value as u8);
            out
        };
        let mut bytes = vec![0x15, 0x00, 0x15];
        bytes.extend(zigzag(unpacked as u64));
        bytes.push(0x15);
        bytes.extend(zigzag(body.len() as u64));
        bytes.extend([0x2c, 0x15, 0x02, 0x00, 0x00]);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn runs_of_pages_are_measured() {
        let run = [page(100, &[1; 40]), page(5_000, &[2; 7]), page(3, &[])].concat();
        assert_eq!(largest(&run, Compression::SNAPPY, 5_000), Ok(5_000));
        assert_eq!(largest(&run, Compression::SNAPPY, 4_999), Err(PageProblem::TooLarge { bytes: 5_000 }));
        assert_eq!(largest(&run, Compression::UNCOMPRESSED, 4_999), Ok(40), "what is not packed is as large as it is");
        // the last page may be cut, since nobody asked for it
        assert_eq!(largest(&run[..run.len() - 12 - 3], Compression::SNAPPY, 5_000), Ok(5_000));
        assert!(matches!(largest(&[0xff; 50], Compression::SNAPPY, 100), Err(PageProblem::Damaged(_))));
        assert_eq!(largest(&[], Compression::SNAPPY, 100), Ok(0));
    }

    #[test]
    fn a_page_that_holds_more_than_it_says() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![0; 4 << 20]).unwrap();
        let gzip = gzip.finish().unwrap();
        let codec = Compression::GZIP(Default::default());
        assert_eq!(largest(&page(4 << 20, &gzip), codec, 4 << 20), Ok(4 << 20));
        assert!(matches!(largest(&page(1_000, &gzip), codec, 1 << 20), Err(PageProblem::Damaged(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = largest(&bytes, Compression::SNAPPY, 1 << 20);
        }
    }
}
