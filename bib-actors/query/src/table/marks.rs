//! Which bytes of a text mean something to CSV, 64 of them at a time. Pure.

/// Bytes that are looked at together.
pub(super) const WINDOW: usize = 64;

/// Gathers the lowest bits of eight bytes in the highest byte of a product.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// Finds what ends a field or a line, or may begin a quoted field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) delimiter: u8,
}

impl Marks {
    /// The marks among the first 64 bytes of `text`, the first byte as the lowest bit.
    pub(super) fn of(self, text: &[u8]) -> u64 {
        match text.first_chunk::<WINDOW>() {
            Some(window) => self.gather(window),
            None => {
                // zeros are no marks
                let mut window = [0; WINDOW];
                window[..text.len()].copy_from_slice(text);
                self.gather(&window)
            }
        }
    }

    fn gather(self, window: &[u8; WINDOW]) -> u64 {
        // the compiler compares many bytes with one instruction here
        let mut hits = [0_u8; WINDOW];
        for (hit, &byte) in hits.iter_mut().zip(window) {
            *hit = u8::from(byte == self.delimiter)
                | u8::from(byte == b'\n')
                | u8::from(byte == b'\r')
                | u8::from(byte == b'"');
        }
        let (eights, _) = hits.as_chunks::<8>();
        let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(GATHER) >> 56;
        eights.iter().enumerate().fold(0, |marks, (at, eight)| marks | (bits(eight) << (8 * at)))
    }

    /// Whether the byte ends a field, be it the last of its line or not.
    pub(super) fn ends_field(self, byte: u8) -> bool {
        byte == self.delimiter || is_break(byte)
    }
}

/// Whether the byte ends a line.
pub(super) fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_mark_has_its_bit(text in prop::collection::vec(prop_oneof![Just(b','), Just(b'"'), any::<u8>()], 0..80)) {
            let marks = Marks { delimiter: b',' }.of(&text);
            for at in 0..WINDOW {
                let expected = text.get(at).is_some_and(|byte| b",\n\r\"".contains(byte));
                prop_assert_eq!(marks >> at & 1 == 1, expected, "at {}", at);
            }
        }
    }
}
