//! What an answer may look like before it is decoded: an empty entry of a list takes two bytes on the wire and two hundred in
//! memory, so a frame's length alone bounds nothing.

/// Bytes that an entry of an honest list takes at least, by far.
const ENTRY_BYTES: usize = 16;
/// Fields of an answer that has no list.
const FIELDS: usize = 64;
/// Number of the field of `SyncResponse` that holds a manifest, the one answer that may be longer than a frame.
const MANIFEST: u64 = 2;

/// Wire types of the encoding that this protocol uses.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

/// Looks at the fields of an answer, and at those of what it holds. `frame_bytes`: how long what is no manifest may be.
pub(crate) fn check_answer(bytes: &[u8], frame_bytes: usize) -> Result<(), &'static str> {
    // over all of them: what comes twice is one message when it is decoded
    let (mut rest, mut count, most) = (bytes, 0, FIELDS + bytes.len() / ENTRY_BYTES);
    while !rest.is_empty() {
        let (number, inner) = field(&mut rest)?;
        let inner = inner.ok_or("an answer is a message of its kind")?;
        if bytes.len() > frame_bytes && number != MANIFEST {
            return Err("only a manifest may be so long");
        }
        let mut fields = inner;
        while !fields.is_empty() {
            field(&mut fields)?;
            count += 1;
            if count > most {
                return Err("its entries are too many for their length");
            }
        }
    }
    Ok(())
}

/// Takes one field: its number, and its bytes if it has some of its own.
fn field<'b>(rest: &mut &'b [u8]) -> Result<(u64, Option<&'b [u8]>), &'static str> {
    let tag = varint(rest)?;
    let inner = match tag & 7 {
        VARINT => {
            varint(rest)?;
            None
        }
        EIGHT_BYTES => {
            take(rest, 8)?;
            None
        }
        BYTES => {
            let length = usize::try_from(varint(rest)?).map_err(|_| ENDS)?;
            Some(take(rest, length)?)
        }
        FOUR_BYTES => {
            take(rest, 4)?;
            None
        }
        _ => return Err("it has a field of an unknown kind"),
    };
    Ok((tag >> 3, inner))
}

const ENDS: &str = "it ends within a field";

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], &'static str> {
    let (taken, after) = rest.split_at_checked(length).ok_or(ENDS)?;
    *rest = after;
    Ok(taken)
}

fn varint(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for group in 0..10 {
        let (byte, after) = rest.split_first().ok_or(ENDS)?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("it has a number without an end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;
    use bib_proto::v1::sync_response::Response;
    use bib_proto::v1::{
        CatalogResponse, DatasetsResponse, ManifestResponse, PeerDataset, PeerTopic, PeerVersion, SyncError,
    };
    use proptest::prelude::*;
    use prost::Message;

    const FRAME: usize = 1 << 20;

    fn check(response: Response) -> Result<(), &'static str> {
        check_answer(&wire::respond(response).encode_to_vec(), FRAME)
    }

    #[test]
    fn honest_answers_pass() {
        let topic = PeerTopic { name: "a".into(), owner: "1".repeat(52), ..Default::default() };
        let version = PeerVersion { dataset: "a/b".into(), version: vec![7; 32], manifest_bytes: 1 };
        let (topics, versions) = (vec![topic; 3_000], vec![version; 3_000]);
        assert_eq!(check(Response::Catalog(CatalogResponse { topics, versions, next: 9, more: true })), Ok(()));
        let manifest = |bytes| Response::Manifest(ManifestResponse { signed_manifest: vec![0; bytes] });
        assert_eq!((check(manifest(0)), check(manifest(2 * FRAME))), (Ok(()), Ok(())));
        assert_eq!(check(Response::Error(SyncError { code: "busy".into(), message: "no".into() })), Ok(()));
        assert_eq!(check_answer(&[], FRAME), Ok(()));
    }

    #[test]
    fn a_list_of_nothings_is_not_decoded() {
        let datasets = vec![PeerDataset::default(); 100_000];
        let refused = check(Response::Datasets(DatasetsResponse { datasets, next: String::new() }));
        assert_eq!(refused, Err("its entries are too many for their length"));
        let topics = vec![PeerTopic::default(); 100_000];
        check(Response::Catalog(CatalogResponse { topics, ..Default::default() })).unwrap_err();
        // nor one that is cut into many, which are put together again
        let some = DatasetsResponse { datasets: vec![PeerDataset::default(); FIELDS - 1], next: String::new() };
        let cut = wire::respond(Response::Datasets(some)).encode_to_vec().repeat(1_000);
        assert_eq!(check_answer(&cut, FRAME), refused);
    }

    #[test]
    fn nothing_but_a_manifest_is_longer_than_a_frame() {
        let long = PeerDataset { name: "a".repeat(2 * FRAME), ..Default::default() };
        let long = Response::Datasets(DatasetsResponse { datasets: vec![long], next: String::new() });
        let bytes = wire::respond(long).encode_to_vec();
        assert_eq!(check_answer(&bytes, FRAME), Err("only a manifest may be so long"));
        assert_eq!(check_answer(&bytes, 4 * FRAME), Ok(()));
        // a manifest does not open the door for what comes beside it
        let manifest = Response::Manifest(ManifestResponse { signed_manifest: vec![0; FRAME] });
        let both = [wire::respond(manifest).encode_to_vec(), bytes].concat();
        assert_eq!(check_answer(&both, FRAME), Err("only a manifest may be so long"));
    }

    #[test]
    fn what_is_cut_off_or_no_message_is_refused() {
        let whole = wire::sync_error("busy", "later").encode_to_vec();
        for end in 1..whole.len() {
            check_answer(&whole[..end], FRAME).unwrap_err();
        }
        for wrong in [&[0x08, 1][..], &[0xff; 12], &[0x0b], &[0x0a, 2, 0x0b, 0]] {
            check_answer(wrong, FRAME).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = check_answer(&bytes, 100);
        }
    }
}
