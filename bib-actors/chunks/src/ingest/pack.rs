//! Where shared chunks of small files end.
//!
//! Decided by the content of the file that was added last, so that in the next version the files before and after an
//! edit form the same chunks again. A file closes its chunk with a chance in proportion to its size: shared chunks
//! then have about the same size whether they hold many tiny files or a few larger ones.

use crate::IngestOptions;
use bib_domain::ContentHash;

/// Whether the shared chunk, `packed` bytes long, ends after a file of `len` bytes with this content.
pub(crate) fn ends(options: &IngestOptions, packed: usize, len: usize, content: &ContentHash) -> bool {
    if packed >= options.pack_max {
        return true;
    }
    if packed < options.pack_min {
        return false;
    }
    let [a, b, c, d, e, f, g, h, ..] = *content.as_bytes();
    let draw = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    // draw / 2^64 < len / pack_avg, without fractions
    u128::from(draw) * (options.pack_avg as u128) < (len as u128) << 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::name_of;

    #[test]
    fn shared_chunks_have_about_the_wanted_size_whatever_the_files() {
        let options = IngestOptions::default();
        for len in [500_usize, 4096, 100_000] {
            let (mut packs, mut packed, mut total) = (0_usize, 0, 0);
            for n in 0_u64..(400 << 20) / len as u64 {
                packed += len;
                total += len;
                let content = ContentHash::from_bytes(*name_of(&n.to_be_bytes()).as_bytes());
                if ends(&options, packed, len, &content) {
                    assert!(packed >= options.pack_min && packed < options.pack_max + len);
                    packs += 1;
                    packed = 0;
                }
            }
            let mean = total / packs;
            assert!((400 << 10..900 << 10).contains(&mean), "files of {len}: {mean}");
        }
    }
}
