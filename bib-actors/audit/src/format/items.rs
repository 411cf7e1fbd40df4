//! Reads the items that records are made of, in the one form that each may have: RFC 8949, section 4.2.1.
//!
//! A number in more bytes than it needs, a length that is not told, a tag, a map, a float: none of them is an item here.
//! Borrows and never allocates.

/// Major types of CBOR.
const UINT: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Why the next item is not the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// It is another, or ends too early.
    Other,
    /// It is in a longer form than it needs.
    Longer,
}

/// The items that are left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Items<'b> {
    rest: &'b [u8],
}

impl<'b> Items<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that were not read yet.
    pub(super) fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// The head of an item of this major type: its number, or the length of what follows.
    #[inline]
    fn head(&mut self, major: u8) -> Result<u64, Odd> {
        let (&first, rest) = self.rest.split_first().ok_or(Odd::Other)?;
        if first >> 5 != major {
            return Err(Odd::Other);
        }
        let short = first & 0x1f;
        if short < 24 {
            self.rest = rest;
            return Ok(u64::from(short));
        }
        let (number, rest, least) = match short {
            24 => rest.split_first_chunk().map(|(n, rest)| (u64::from(u8::from_be_bytes(*n)), rest, 24)),
            25 => rest.split_first_chunk().map(|(n, rest)| (u64::from(u16::from_be_bytes(*n)), rest, 1 << 8)),
            26 => rest.split_first_chunk().map(|(n, rest)| (u64::from(u32::from_be_bytes(*n)), rest, 1 << 16)),
            27 => rest.split_first_chunk().map(|(n, rest)| (u64::from_be_bytes(*n), rest, 1 << 32)),
            _ => None,
        }
        .ok_or(Odd::Other)?;
        if number < least {
            return Err(Odd::Longer);
        }
        self.rest = rest;
        Ok(number)
    }

    /// An item that is a head and as many bytes.
    #[inline]
    fn body(&mut self, major: u8) -> Result<&'b [u8], Odd> {
        let len = usize::try_from(self.head(major)?).map_err(|_| Odd::Other)?;
        let (body, rest) = self.rest.split_at_checked(len).ok_or(Odd::Other)?;
        self.rest = rest;
        Ok(body)
    }

    #[inline]
    pub(super) fn uint(&mut self) -> Result<u64, Odd> {
        self.head(UINT)
    }

    /// The beginning of an array: how many elements follow.
    #[inline]
    pub(super) fn array(&mut self) -> Result<u64, Odd> {
        self.head(ARRAY)
    }

    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'b [u8], Odd> {
        self.body(BYTES)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'b str, Odd> {
        std::str::from_utf8(self.body(TEXT)?).map_err(|_| Odd::Other)
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, Odd> {
        let (&first, rest) = self.rest.split_first().ok_or(Odd::Other)?;
        let value = match first {
            FALSE => false,
            TRUE => true,
            _ => return Err(Odd::Other),
        };
        self.rest = rest;
        Ok(value)
    }

    /// Whether the next item is `null`, which is read then.
    #[inline]
    pub(super) fn null(&mut self) -> bool {
        match self.rest.split_first() {
            Some((&NULL, rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minicbor::{Decoder, Encoder};
    use proptest::prelude::*;

    fn shortest(number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes).u64(number).unwrap();
        bytes
    }

    #[test]
    fn the_edges_of_each_form_are_read_and_longer_forms_are_not() {
        for number in [0, 23, 24, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX] {
            let bytes = shortest(number);
            let mut items = Items::new(&bytes);
            assert_eq!(items.uint(), Ok(number));
            assert!(items.rest().is_empty());
            for longer in [1_usize, 2, 4, 8] {
                let tail = &number.to_be_bytes()[8 - longer..];
                let fits = longer == 8 || number >> (8 * longer) == 0;
                if !fits || longer < bytes.len() {
                    continue;
                }
                let mut form = vec![24 + u8::try_from(longer.trailing_zeros()).unwrap()];
                form.extend_from_slice(tail);
                assert_eq!(Items::new(&form).uint(), Err(Odd::Longer), "{number} in {longer} bytes");
            }
        }
    }

    #[test]
    fn lengths_beyond_the_end_and_untold_ones_are_refused() {
        assert_eq!(Items::new(&[0x5f, 0x41, 1, 0xff]).bytes(), Err(Odd::Other));
        assert_eq!(Items::new(&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).bytes(), Err(Odd::Other));
        assert_eq!(Items::new(&[0x43, 1, 2]).bytes(), Err(Odd::Other));
        assert_eq!(Items::new(&[0x62, 0xc3, 0x28]).text(), Err(Odd::Other));
        assert_eq!(Items::new(&[0x1c]).uint(), Err(Odd::Other));
        assert_eq!(Items::new(&[0x19, 1]).uint(), Err(Odd::Other));
        assert_eq!(Items::new(&[]).uint(), Err(Odd::Other));
    }

    proptest! {
        /// What this reads, a whole reader of CBOR reads alike; what it refuses, that one refuses or had to read a longer
        /// form of.
        #[test]
        fn a_whole_reader_agrees(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let mut items = Items::new(&bytes);
            let mut other = Decoder::new(&bytes);
            match items.uint() {
                Ok(number) => prop_assert_eq!(other.u64().ok(), Some(number)),
                Err(Odd::Other) => prop_assert!(other.u64().is_err()),
                Err(Odd::Longer) => {
                    let number = other.u64().unwrap();
                    let shortest = shortest(number);
                    prop_assert!(shortest.len() < other.position());
                }
            }
            let (mut items, mut other) = (Items::new(&bytes), Decoder::new(&bytes));
            match items.bytes() {
                Ok(body) => prop_assert_eq!(other.bytes().ok(), Some(body)),
                Err(Odd::Other) => prop_assert!(other.bytes().is_err()),
                Err(Odd::Longer) => {}
            }
            let (mut items, mut other) = (Items::new(&bytes), Decoder::new(&bytes));
            match items.text() {
                Ok(text) => prop_assert_eq!(other.str().ok(), Some(text)),
                Err(Odd::Other) => prop_assert!(other.str().is_err()),
                Err(Odd::Longer) => {}
            }
        }
    }
}
