//! The entries of a version, as many in one answer as a message takes: a version may have a million.

use super::convert;
use bib_chunks::SignedManifest;
use bib_domain::VersionId;
use bib_proto::v1;
use prost::Message;
use std::fmt;
use std::str::FromStr;

/// Where to go on: behind so many entries of a version, which never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: VersionId,
    pub(super) from: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.version.to_hex(), self.from)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (version, from) = text.split_once('/').ok_or(())?;
        Ok(Self { version: version.parse().map_err(|_| ())?, from: from.parse().map_err(|_| ())? })
    }
}

/// Entries from a place on: at most `most`, 0 for any number, and at most `bytes` of them, but always one. And where what
/// follows begins, if anything does.
pub(super) fn page(signed: &SignedManifest, from: usize, most: u32, bytes: usize) -> (Vec<v1::Entry>, Option<usize>) {
    let all = &signed.manifest().entries;
    let most = if most == 0 { usize::MAX } else { most as usize };
    let (mut entries, mut size) = (Vec::new(), 0);
    for entry in all.iter().skip(from).take(most) {
        let entry = convert::entry(entry);
        size += entry.encoded_len();
        if size > bytes && !entries.is_empty() {
            break;
        }
        entries.push(entry);
    }
    let next = from.saturating_add(entries.len());
    (entries, (next < all.len()).then_some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let place = Place { version: VersionId::from_bytes([7; 32]), from: 12 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "/", "07/1", &format!("{}/-1", place.version.to_hex()), &place.version.to_hex()] {
            assert_eq!(wrong.parse::<Place>(), Err(()), "{wrong}");
        }
    }
}
