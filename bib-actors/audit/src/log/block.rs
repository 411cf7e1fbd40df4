//! A block: the records of one group commit, framed so that it can be found from either end.
//!
//! ```text
//! FF 'B' 'A' 01 | count u32 | first seq u64 | payload length u32
//! payload: count times (length u16 | record)
//! leaf hash of the last record (32) | length of the whole block u32 | FF 'E' 'A' 01
//! ```
//!
//! Numbers are big-endian. Both marks begin with a byte that UTF-8 never has, so no text in a record can pose as a
//! block. Every bit outside the records is determined by them, so no bit can be changed without being seen.
//! A block is written only after the one before it is durable: this is what tells a torn tail from damage.

use crate::format::{Hash, RECORD_MAX_BYTES, ZERO_HASH, encode_record, leaf_hash};
use crate::record::AuditRecord;

const BEGIN: [u8; 4] = [0xff, b'B', b'A', 1];
const END: [u8; 4] = [0xff, b'E', b'A', 1];
const HEAD_BYTES: usize = 20;

// No UTF-8 has this byte: text in a record cannot pose as a block.
const _: () = assert!(BEGIN[0] == 0xff && END[0] == 0xff);

/// Bytes of a block after its payload.
pub(crate) const TAIL_BYTES: usize = 40;

/// The largest block: a reader holds one in memory.
pub(crate) const BLOCK_MAX_BYTES: usize = 8 << 20;

/// The largest payload that a batch may aim for, so that one more record still fits the block.
pub(crate) const PAYLOAD_MAX_BYTES: usize = BLOCK_MAX_BYTES - HEAD_BYTES - TAIL_BYTES - RECORD_MAX_BYTES - 2;

/// Collects the records of one group commit.
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    first_seq: u64,
    count: u32,
    last: Hash,
}

impl BlockBuilder {
    /// An empty block whose first record has position `first_seq`.
    pub(crate) fn new(first_seq: u64) -> Self {
        let mut bytes = Vec::with_capacity(4_096);
        bytes.extend_from_slice(&BEGIN);
        bytes.resize(HEAD_BYTES, 0);
        Self { bytes, first_seq, count: 0, last: ZERO_HASH }
    }

    /// Adds a record and returns its leaf hash.
    pub(crate) fn push(&mut self, record: &AuditRecord) -> Hash {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        encode_record(record, &mut self.bytes);
        let body = at + 2;
        let len =
            u16::try_from(self.bytes.len() - body).expect("the bounds of the fields keep a record below 65,536 bytes");
        self.bytes[at..body].copy_from_slice(&len.to_be_bytes());
        self.count += 1;
        self.last = leaf_hash(&self.bytes[body..]);
        self.last
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole block.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let payload = u32::try_from(self.bytes.len() - HEAD_BYTES).expect("a batch is bounded far below 4 GiB");
        self.bytes[4..8].copy_from_slice(&self.count.to_be_bytes());
        self.bytes[8..16].copy_from_slice(&self.first_seq.to_be_bytes());
        self.bytes[16..20].copy_from_slice(&payload.to_be_bytes());
        let whole = u32::try_from(self.bytes.len() + TAIL_BYTES).expect("a batch is bounded far below 4 GiB");
        self.bytes.extend_from_slice(&self.last);
        self.bytes.extend_from_slice(&whole.to_be_bytes());
        self.bytes.extend_from_slice(&END);
        self.bytes
    }
}

/// A block whose frame is sound; its records are yet to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'b> {
    pub(crate) first_seq: u64,
    pub(crate) count: u32,
    pub(crate) payload: &'b [u8],
    pub(crate) last: &'b Hash,
}

/// What some bytes look like from their beginning.
#[derive(Debug)]
pub(crate) enum Shape<'b> {
    /// A whole block and its length.
    Whole(Block<'b>, usize),
    /// The beginning of a block; it needs this many bytes.
    Short(usize),
    /// Not a block.
    Bad(&'static str),
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl<'b> Block<'b> {
    /// Reads the frame at the beginning of `bytes`.
    pub(crate) fn shape(bytes: &'b [u8]) -> Shape<'b> {
        let seen = bytes.len().min(BEGIN.len());
        if bytes[..seen] != BEGIN[..seen] {
            return Shape::Bad("no block begins here");
        }
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Shape::Short(HEAD_BYTES) };
        let count = u32_at(head, 4);
        let first_seq = (u64::from(u32_at(head, 8)) << 32) | u64::from(u32_at(head, 12));
        let payload = u32_at(head, 16) as usize;
        let whole = HEAD_BYTES + payload + TAIL_BYTES;
        if whole > BLOCK_MAX_BYTES || count == 0 {
            return Shape::Bad("the block's head is out of bounds");
        }
        if bytes.len() < whole {
            return Shape::Short(whole);
        }
        let (payload, tail) = rest[..whole - HEAD_BYTES].split_at(payload);
        let Some((last, end)) = tail.split_first_chunk::<32>() else { return Shape::Bad("the block has no end") };
        if end[4..] != END || u32_at(end, 0) as usize != whole {
            return Shape::Bad("the block's end does not match its head");
        }
        Shape::Whole(Self { first_seq, count, payload, last }, whole)
    }

    /// The records' bytes, in order; an error where the lengths do not add up.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<&'b [u8], &'static str>> + use<'b> {
        let mut rest = self.payload;
        let mut left = self.count;
        std::iter::from_fn(move || {
            if left == 0 {
                return (!std::mem::take(&mut rest).is_empty()).then_some(Err("the block has more bytes than records"));
            }
            left -= 1;
            let cut = rest.split_first_chunk::<2>().and_then(|(len, body)| {
                let len = usize::from(u16::from_be_bytes(*len));
                (body.len() >= len).then(|| body.split_at(len))
            });
            let Some((record, after)) = cut else {
                (left, rest) = (0, &[]);
                return Some(Err("the block has fewer bytes than records"));
            };
            rest = after;
            Some(Ok(record))
        })
    }
}

/// The length of the block that ends with these bytes.
pub(crate) fn block_len_at_end(bytes: &[u8]) -> Option<usize> {
    let tail = bytes.last_chunk::<TAIL_BYTES>()?;
    let whole = u32_at(tail, 32) as usize;
    (tail[36..] == END && (HEAD_BYTES + TAIL_BYTES..=BLOCK_MAX_BYTES).contains(&whole)).then_some(whole)
}

/// Where blocks may begin after the first byte of `bytes`.
pub(crate) fn candidates(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.windows(BEGIN.len()).enumerate().skip(1).filter(|(_, window)| *window == BEGIN).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_anything_are_told_apart() {
        assert!(matches!(Block::shape(&[]), Shape::Short(HEAD_BYTES)));
        assert!(matches!(Block::shape(&BEGIN), Shape::Short(HEAD_BYTES)));
        assert!(matches!(Block::shape(b"BIBAUDIT"), Shape::Bad(_)));
        let mut huge = BEGIN.to_vec();
        huge.extend_from_slice(&[0xff; 16]);
        assert!(matches!(Block::shape(&huge), Shape::Bad(_)), "a length out of bounds must not be waited for");
        assert_eq!(block_len_at_end(&[0; 100]), None);
    }
}
