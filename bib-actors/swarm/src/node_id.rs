//! Between Ed25519 keys, libp2p peer ids and node ids. Never reads a file, never opens a socket.

use crate::error::SwarmError;
use bib_domain::NodeId;
use libp2p::PeerId;

/// What stands before the key in the peer id of an Ed25519 key: an identity multihash of 36 bytes around a
/// protobuf message with the key type and 32 bytes of key.
const KEY_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The node id of an Ed25519 public key.
#[must_use]
pub fn peer_id_of_key(key: [u8; 32]) -> NodeId {
    let mut bytes = [0_u8; 38];
    bytes[..6].copy_from_slice(&KEY_PREFIX);
    bytes[6..].copy_from_slice(&key);
    let peer = PeerId::from_bytes(&bytes).expect("an identity multihash of 36 bytes is a peer id");
    node_of(&peer)
}

/// The Ed25519 public key that a node id is made of.
///
/// # Errors
/// [`SwarmError::NotAnEd25519Node`] if the text is no peer id or the peer id is of another kind of key.
pub fn key_of_peer_id(node: &NodeId) -> Result<[u8; 32], SwarmError> {
    let refuse = || SwarmError::NotAnEd25519Node { node: node.to_string() };
    let bytes = peer_of(node)?.to_bytes();
    let key = bytes.strip_prefix(&KEY_PREFIX).ok_or_else(refuse)?;
    key.try_into().map_err(|_| refuse())
}

/// The libp2p peer id behind a node id.
pub(crate) fn peer_of(node: &NodeId) -> Result<PeerId, SwarmError> {
    node.as_str().parse().map_err(|_| SwarmError::NotAnEd25519Node { node: node.to_string() })
}

/// The node id that a libp2p peer id prints as.
pub(crate) fn node_of(peer: &PeerId) -> NodeId {
    peer.to_base58().parse().expect("the base58 text of a peer id has the alphabet and the length of a node id")
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    #[test]
    fn agrees_with_libp2p_and_back() {
        for seed in 0..32_u8 {
            let keypair = Keypair::ed25519_from_bytes([seed; 32]).unwrap();
            let key = keypair.public().try_into_ed25519().unwrap().to_bytes();
            let node = peer_id_of_key(key);
            assert_eq!(node.as_str(), keypair.public().to_peer_id().to_base58());
            assert_eq!(key_of_peer_id(&node).unwrap(), key);
            assert_eq!(node_of(&peer_of(&node).unwrap()), node);
        }
    }

    #[test]
    fn bytes_that_are_no_point_have_an_id_too() {
        let node = peer_id_of_key([0xff; 32]);
        assert_eq!(key_of_peer_id(&node).unwrap(), [0xff; 32]);
    }

    #[test]
    fn other_keys_and_nonsense_are_refused() {
        for text in ["QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", &"z".repeat(52)] {
            let node: NodeId = text.parse().unwrap();
            let error = key_of_peer_id(&node).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
