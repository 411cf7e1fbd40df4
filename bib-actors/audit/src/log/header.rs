//! The header of a segment file: whose log it is, which records it holds, and what they follow.
//!
//! `"BIBAUDIT" | length u16 | CBOR array | SHA-256 of the array`, the array being
//! `[format, epoch, first seq, prev hash, node id, created]`.

use crate::format::Hash;
use bib_domain::NodeId;
use minicbor::encode::Error;
use minicbor::{Decoder, Encoder};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::path::{Path, PathBuf};

const MAGIC: [u8; 8] = *b"BIBAUDIT";
const FORMAT: u64 = 1;
const SUFFIX: &str = ".audit";

/// No header is longer.
pub(crate) const HEADER_MAX_BYTES: usize = 512;

/// The header of a segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) epoch: u64,
    pub(crate) first_seq: u64,
    /// Leaf hash of the record before the first.
    pub(crate) prev_hash: Hash,
    pub(crate) node_id: NodeId,
    pub(crate) created_unix_ns: u64,
}

impl SegmentHeader {
    /// The header's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut array = Vec::with_capacity(160);
        self.write(&mut array).expect("a Vec takes every byte");
        let len = u16::try_from(array.len()).expect("a node id is at most 64 bytes long");
        let mut out = Vec::with_capacity(array.len() + 42);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&array);
        out.extend_from_slice(&Sha256::digest(&array));
        out
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), Error<Infallible>> {
        let mut e = Encoder::new(out);
        e.array(6)?.u64(FORMAT)?.u64(self.epoch)?.u64(self.first_seq)?.bytes(&self.prev_hash)?;
        e.str(self.node_id.as_str())?.u64(self.created_unix_ns)?;
        Ok(())
    }

    /// Reads the header at the beginning of `bytes` and says how long it is.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, usize), &'static str> {
        let rest = bytes.strip_prefix(&MAGIC).ok_or("the file does not begin as a segment of the audit log")?;
        let (len, rest) = rest.split_first_chunk::<2>().ok_or("the header is cut short")?;
        let len = usize::from(u16::from_be_bytes(*len));
        if rest.len() < len + 32 {
            return Err("the header is cut short");
        }
        let (array, sum) = (&rest[..len], &rest[len..len + 32]);
        if Sha256::digest(array).as_slice() != sum {
            return Err("the header's checksum is wrong");
        }
        let header = Self::read(array).ok_or("the header is not one of this format")?;
        let whole = MAGIC.len() + 2 + len + 32;
        if header.encode() == bytes[..whole] { Ok((header, whole)) } else { Err("the header is not canonical") }
    }

    fn read(array: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(array);
        if d.array().ok()?? != 6 || d.u64().ok()? != FORMAT {
            return None;
        }
        Some(Self {
            epoch: d.u64().ok()?,
            first_seq: d.u64().ok()?,
            prev_hash: d.bytes().ok()?.try_into().ok()?,
            node_id: d.str().ok()?.parse().ok()?,
            created_unix_ns: d.u64().ok()?,
        })
    }

    /// The name of the file that begins with this header. Names sort as the log runs.
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{:08}-{:020}{SUFFIX}", self.epoch, self.first_seq))
    }
}

/// Epoch and first position out of a segment's file name.
pub(crate) fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (epoch, first) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
    };
    Some((number(epoch, 8)?, number(first, 20)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            epoch: 1,
            first_seq: 40_000,
            prev_hash: [9; 32],
            node_id: "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp".parse().unwrap(),
            created_unix_ns: 1_700_000_000_000_000_000,
        }
    }

    #[test]
    fn a_header_is_read_as_written_and_every_bit_counts() {
        let bytes = header().encode();
        assert!(bytes.len() <= HEADER_MAX_BYTES);
        assert_eq!(SegmentHeader::decode(&bytes), Ok((header(), bytes.len())));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bad).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn names_lead_back() {
        let path = header().path(Path::new("/x"));
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(parse_name(name), Some((1, 40_000)));
        for bad in ["1-2.audit", "00000001-00000000000000040000.tmp", "mark", "00000001-0000000000000004000x.audit"] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }
}
