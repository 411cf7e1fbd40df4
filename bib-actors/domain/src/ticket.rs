//! The ticket: one string to paste on another machine, with which two nodes pair.
//!
//! It holds who invites, where that node listens, a secret that is good once, and until when. Its text is `bib1`
//! and the lower-case base32 (no padding) of a versioned canonical encoding that ends in a checksum, so that a typo
//! is told apart from a ticket that was refused. This module never makes secrets and never asks for the time.

use crate::NodeId;
use std::fmt;
use std::str::FromStr;

/// What every ticket begins with.
pub const TICKET_PREFIX: &str = "bib1";
/// A machine has a handful of addresses; more would make the string long without helping anyone connect.
pub const TICKET_MAX_ADDRESSES: usize = 12;

const FORMAT: u8 = 1;
const MAX_TEXT: usize = 16 * 1024;
const CHECKSUM_BYTES: usize = 4;

/// An invitation to pair. Whoever holds it can use it once: it is as secret as a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    node: NodeId,
    addresses: Vec<String>,
    secret: [u8; 32],
    expires_ms: i64,
}

/// A text that is not a usable ticket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// The text does not begin like a ticket.
    #[error(
        "this is not a ticket: a ticket begins with \"{TICKET_PREFIX}\"; make one on the other node with `bib invite`"
    )]
    NotATicket,
    /// A character is wrong, missing or too many.
    #[error(
        "the ticket has a typo or is cut off ({detail}): copy it again whole, from \"{TICKET_PREFIX}\" to its last character"
    )]
    Typo {
        /// What gave it away.
        detail: String,
    },
    /// A ticket of a format that this node does not know.
    #[error("the ticket has format {found}, and this node reads format {FORMAT}: upgrade the older of the two nodes")]
    Format {
        /// The format in the ticket.
        found: u8,
    },
    /// The checksum fits, yet what is inside makes no sense.
    #[error("the ticket is damaged inside ({detail}): make a new one on the other node with `bib invite`")]
    Malformed {
        /// What is wrong.
        detail: &'static str,
    },
}

impl Ticket {
    /// Makes a ticket. Addresses beyond [`TICKET_MAX_ADDRESSES`], and any that is empty or longer than 255 bytes, are
    /// left out.
    #[must_use]
    pub fn new(node: NodeId, addresses: Vec<String>, secret: [u8; 32], expires_ms: i64) -> Self {
        let mut addresses: Vec<String> =
            addresses.into_iter().filter(|text| (1..=usize::from(u8::MAX)).contains(&text.len())).collect();
        addresses.truncate(TICKET_MAX_ADDRESSES);
        Self { node, addresses, secret, expires_ms }
    }

    /// The node that invites.
    #[must_use]
    pub const fn node(&self) -> &NodeId {
        &self.node
    }

    /// Multiaddresses where that node listens, without its id.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The secret that proves that the holder was invited.
    #[must_use]
    pub const fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Until when it is good, in Unix milliseconds.
    #[must_use]
    pub const fn expires_ms(&self) -> i64 {
        self.expires_ms
    }

    /// The string to paste. It is not `Display`, so that no secret gets into a log by accident.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![FORMAT];
        push_text(&mut bytes, self.node.as_str());
        bytes.push(u8::try_from(self.addresses.len()).expect("the constructor bounds the addresses"));
        for address in &self.addresses {
            push_text(&mut bytes, address);
        }
        bytes.extend_from_slice(&self.secret);
        bytes.extend_from_slice(&self.expires_ms.to_be_bytes());
        let sum = crc32(&bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        format!("{TICKET_PREFIX}{}", data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Reads a ticket as people paste it: white space and line breaks within it and capital letters do not matter.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        if text.len() > MAX_TEXT {
            return Err(TicketError::NotATicket);
        }
        let joined: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let Some(body) = joined.strip_prefix(TICKET_PREFIX) else { return Err(TicketError::NotATicket) };
        let bytes = data_encoding::BASE32_NOPAD
            .decode(body.to_ascii_uppercase().as_bytes())
            .map_err(|error| typo(&body_position(&error, body)))?;
        let Some(split) = bytes.len().checked_sub(CHECKSUM_BYTES).filter(|&at| at > 0) else {
            return Err(typo("it is too short"));
        };
        let (payload, sum) = bytes.split_at(split);
        if crc32(payload).to_be_bytes() != sum {
            return Err(typo("its checksum does not fit"));
        }
        decode_payload(payload)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("node", &self.node)
            .field("addresses", &self.addresses)
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

fn typo(detail: &str) -> TicketError {
    TicketError::Typo { detail: detail.to_owned() }
}

/// Says which character cannot stand in a ticket, if one cannot.
fn body_position(error: &data_encoding::DecodeError, body: &str) -> String {
    let bad = body.get(error.position..).and_then(|rest| rest.chars().next());
    match bad {
        Some(c) if error.kind == data_encoding::DecodeKind::Symbol => {
            format!("character {} is {c:?}", TICKET_PREFIX.len() + error.position + 1)
        }
        _ => "its length is wrong".to_owned(),
    }
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).expect("node ids and kept addresses are at most 255 bytes long"));
    bytes.extend_from_slice(text.as_bytes());
}

/// Takes the parts of a payload off its front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], TicketError> {
        let parts = self.0.split_at_checked(count);
        let (head, tail) = parts.ok_or(TicketError::Malformed { detail: "it ends too early" })?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TicketError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, TicketError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn text(&mut self) -> Result<String, TicketError> {
        let length = usize::from(self.byte()?);
        let raw = self.take(length)?.to_vec();
        String::from_utf8(raw).map_err(|_| TicketError::Malformed { detail: "a text is not UTF-8" })
    }
}

fn decode_payload(payload: &[u8]) -> Result<Ticket, TicketError> {
    let mut reader = Reader(payload);
    let found = reader.byte()?;
    if found != FORMAT {
        return Err(TicketError::Format { found });
    }
    let node = reader.text()?.parse().map_err(|_| TicketError::Malformed { detail: "the node id is not one" })?;
    let count = usize::from(reader.byte()?);
    if count > TICKET_MAX_ADDRESSES {
        return Err(TicketError::Malformed { detail: "it has too many addresses" });
    }
    let addresses = (0..count).map(|_| reader.text()).collect::<Result<Vec<_>, _>>()?;
    if addresses.iter().any(String::is_empty) {
        return Err(TicketError::Malformed { detail: "an address is empty" });
    }
    let secret = reader.array()?;
    let expires_ms = i64::from_be_bytes(reader.array()?);
    if !reader.0.is_empty() {
        return Err(TicketError::Malformed { detail: "something follows its end" });
    }
    Ok(Ticket { node, addresses, secret, expires_ms })
}

/// CRC-32 as in IEEE 802.3, bit by bit: a ticket is a few hundred bytes, and a table would be longer than this.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODE: &str = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";

    fn sample() -> Ticket {
        let addresses = vec!["/ip4/192.168.1.10/tcp/4001".to_owned(), "/ip4/192.168.1.10/udp/4001/quic-v1".to_owned()];
        Ticket::new(NODE.parse().unwrap(), addresses, [7; 32], 1_700_000_000_000)
    }

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn its_text_is_pinned() {
        let text = sample().encode();
        let pinned = concat!(
            "bib1ae2dcmsegnfw632xiryeun2bom3uev2bo5je2ztvgflfkmsxinyu42twoeztqn2kivmuwrccni2gw6bwnzmfit",
            "qcdixws4buf4ytsmroge3dqlrrfyytal3umnyc6nbqgaysel3joa2c6mjzgixdcnryfyys4mjqf52wi4bpgqydamjp",
            "of2wsyznoyyqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyaaaayxt7fnaaje5erh4",
        );
        assert_eq!(text, pinned);
        assert_eq!(text.parse::<Ticket>().unwrap(), sample());
    }

    #[test]
    fn reads_what_people_paste() {
        let text = sample().encode();
        let (a, b) = text.split_at(70);
        assert_eq!(format!("  {a}\r\n   {b}\n").parse::<Ticket>().unwrap(), sample());
        assert_eq!(text.to_ascii_uppercase().parse::<Ticket>().unwrap(), sample());
    }

    #[test]
    fn says_what_is_wrong() {
        let text = sample().encode();
        assert_eq!("hello".parse::<Ticket>(), Err(TicketError::NotATicket));
        assert_eq!("".parse::<Ticket>(), Err(TicketError::NotATicket));
        assert!(matches!("bib1".parse::<Ticket>(), Err(TicketError::Typo { .. })));
        let bad = format!("{}!{}", &text[..20], &text[21..]);
        let message = bad.parse::<Ticket>().unwrap_err().to_string();
        assert!(message.contains("character 21 is '!'"), "{message}");
        assert!(matches!(text[..text.len() - 3].parse::<Ticket>(), Err(TicketError::Typo { .. })));
        assert!(!format!("{:?}", sample()).contains('7'.to_string().repeat(3).as_str()), "the secret is not printed");
    }

    #[test]
    fn refuses_another_format() {
        let mut payload = vec![9_u8; 60];
        let sum = crc32(&payload);
        payload.extend_from_slice(&sum.to_be_bytes());
        let text = format!("bib1{}", data_encoding::BASE32_NOPAD.encode(&payload).to_lowercase());
        assert_eq!(text.parse::<Ticket>(), Err(TicketError::Format { found: 9 }));
    }

    proptest! {
        #[test]
        fn survives_the_round_trip(
            addresses in prop::collection::vec("[ -~]{0,80}", 0..20), secret: [u8; 32], expires: i64
        ) {
            let ticket = Ticket::new(NODE.parse().unwrap(), addresses, secret, expires);
            prop_assert_eq!(ticket.encode().parse::<Ticket>().unwrap(), ticket);
        }

        #[test]
        fn every_single_typo_is_found(at in 4_usize..262, other in "[a-z2-7]") {
            let text = sample().encode();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &other);
            if changed != text {
                let found = changed.parse::<Ticket>();
                prop_assert!(matches!(found, Err(TicketError::Typo { .. })), "{found:?}");
            }
        }

        #[test]
        fn never_panics(text in "(bib1)?[a-z2-7 ]{0,300}") {
            let _ = text.parse::<Ticket>();
        }
    }
}
