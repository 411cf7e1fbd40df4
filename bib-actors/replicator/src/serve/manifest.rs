//! Serving signed manifests: few are in memory at a time, since one may be as long as thousands of other answers.
//!
//! Bytes are counted until the last of them is written. A peer has a share of them, so that one that does not read what it
//! asked for keeps nothing from others. Whoever waits for too long is told to ask again. Short manifests are not counted:
//! slow readers of long ones must not stand in their way, and each stream has only one of them.

use super::sync::busy;
use crate::driver::Note;
use crate::frame::{FrameError, Patience, write_parts};
use crate::shared::Shared;
use crate::wire::{self, BUSY, NOT_FOUND};
use bib_domain::{NodeId, VersionId};
use bib_guardian::GuardianError;
use bib_proto::v1::{ManifestRequest, SyncResponse};
use futures::io::AsyncWrite;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that one place stands for, since places are counted in 32 bits.
const PLACE: usize = 1024;
/// So long is a short manifest at most, in bytes.
const SHORT: usize = 256 << 10;
/// Places that there may be.
const MOST: usize = (u32::MAX >> 3) as usize;

/// Tags of the field of an answer that is a manifest, and of the bytes in that: both hold a length and what it counts.
const MANIFEST: u8 = (2 << 3) | 2;
const SIGNED: u8 = (1 << 3) | 2;

/// Room for manifests on their way out, for all peers together.
#[derive(Debug)]
pub(crate) struct Room {
    all: Arc<Semaphore>,
    places: usize,
    of_peer: usize,
    wait: Duration,
}

/// Bytes that are counted until this is dropped; `None` where nothing is counted.
type Taken = Option<[OwnedSemaphorePermit; 2]>;

impl Room {
    /// For so many bytes, of which one peer has at most `of_peer`. A longer manifest counts as that, so that it takes no more
    /// from others.
    pub(crate) fn new(bytes: usize, of_peer: usize, wait: Duration) -> Self {
        let places = Self::places(bytes);
        Self { all: Arc::new(Semaphore::new(places)), places, of_peer: Self::places(of_peer), wait }
    }

    /// Places for so many bytes.
    pub(crate) fn places(bytes: usize) -> usize {
        bytes.div_ceil(PLACE).clamp(1, MOST)
    }

    fn counts(&self, bytes: usize) -> [u32; 2] {
        let places = Self::places(bytes);
        let of_peer = places.min(self.of_peer);
        [of_peer, of_peer.min(self.places)].map(|places| u32::try_from(places).unwrap_or(u32::MAX))
    }

    /// Takes room that is there.
    fn try_take(&self, share: &Arc<Semaphore>, bytes: usize) -> Option<Taken> {
        if bytes <= SHORT {
            return Some(None);
        }
        let [of_peer, of_all] = self.counts(bytes);
        let of_peer = Arc::clone(share).try_acquire_many_owned(of_peer).ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_many_owned(of_all).ok()?;
        Some(Some([of_all, of_peer]))
    }

    /// Waits for room, for a while.
    async fn take(&self, share: &Arc<Semaphore>, bytes: usize) -> Option<Taken> {
        let [of_peer, of_all] = self.counts(bytes);
        let taking = async {
            let of_peer = Arc::clone(share).acquire_many_owned(of_peer).await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_many_owned(of_all).await.ok()?;
            Some(Some([of_all, of_peer]))
        };
        tokio::time::timeout(self.wait, taking).await.ok().flatten()
    }
}

/// A manifest on its way out.
pub(super) struct Outgoing {
    signed: Vec<u8>,
    _taken: Taken,
}

impl Outgoing {
    /// Writes the answer. The manifest is written as it is: another copy would be as long.
    pub(super) async fn write(
        &self,
        stream: &mut (impl AsyncWrite + Unpin),
        patience: Patience,
    ) -> Result<(), FrameError> {
        write_parts(stream, &[&head(self.signed.len()), &self.signed], patience).await
    }
}

/// What stands before a manifest of this length in the frame of its answer.
fn head(length: usize) -> Vec<u8> {
    let field = |tag: u8, length: usize| {
        let mut bytes = vec![tag];
        prost::encode_length_delimiter(length, &mut bytes).expect("a vector has room");
        bytes
    };
    let signed = field(SIGNED, length);
    let manifest = field(MANIFEST, signed.len() + length);
    let mut head = Vec::new();
    prost::encode_length_delimiter(manifest.len() + signed.len() + length, &mut head).expect("a vector has room");
    [head, manifest, signed].concat()
}

/// The manifest that a peer asks for, or why it does not get it now.
pub(super) async fn load(
    shared: &Shared,
    peer: &NodeId,
    share: &Arc<Semaphore>,
    request: ManifestRequest,
) -> Result<Outgoing, SyncResponse> {
    let Ok(id) = VersionId::from_slice(&request.version) else {
        return Err(wire::sync_error(NOT_FOUND, "a version's name has 32 bytes"));
    };
    let room = &shared.manifest_room;
    let mut taken = None;
    loop {
        let signed = match shared.guardian.manifest(id).await {
            Ok(Some(signed)) => signed,
            Ok(None) => return Err(wire::sync_error(NOT_FOUND, format!("version {id} is not on this node"))),
            Err(error @ GuardianError::ManifestHurt { .. }) => {
                // asking again does not mend it; another peer's copy does
                if shared.remember_hurt(id) {
                    tracing::warn!(%peer, %error, "a manifest that a peer asked for is hurt: it is looked for at other peers");
                    shared.note(Note::Hurt).await;
                }
                let detail = format!("the manifest of version {id} is damaged on this node");
                return Err(wire::sync_error(NOT_FOUND, detail));
            }
            Err(error) => return Err(busy(peer, &error.into())),
        };
        let bytes = signed.bytes().len();
        if let Some(taken) = taken.take().or_else(|| room.try_take(share, bytes)) {
            return Ok(Outgoing { signed: signed.to_bytes(), _taken: taken });
        }
        // it is read again when there is room: while it waits, it takes none
        drop(signed);
        taken = room.take(share, bytes).await;
        if taken.is_none() {
            tracing::debug!(%peer, version = %id.short(), bytes, "too many manifests are on their way out");
            return Err(wire::sync_error(BUSY, "this node is giving out many manifests now: ask again in a moment"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::encode_frame;
    use bib_proto::v1::{ManifestResponse, sync_response::Response};

    const MIB: usize = 1 << 20;

    #[test]
    fn the_frame_is_that_of_the_protocol() {
        for length in [1, 127, 128, 20_000, 3_000_000] {
            let signed_manifest = vec![7; length];
            let ours = [head(length), signed_manifest.clone()].concat();
            let answer = wire::respond(Response::Manifest(ManifestResponse { signed_manifest }));
            assert!(ours == encode_frame(&answer), "{length}");
        }
    }

    #[test]
    fn room_is_bounded_for_each_and_for_all() {
        let room = Room::new(100 * MIB, 60 * MIB, Duration::ZERO);
        let [ours, theirs] = [(), ()].map(|()| Arc::new(Semaphore::new(Room::places(60 * MIB))));
        let held = room.try_take(&ours, 50 * MIB).unwrap();
        assert!(room.try_take(&ours, 11 * MIB).is_none(), "more than a share");
        assert!(room.try_take(&theirs, 51 * MIB).is_none(), "more than there is");
        assert!(room.try_take(&theirs, 49 * MIB).is_some());
        drop(held);
        let whole = room.try_take(&ours, 1000 * MIB).unwrap();
        assert!(room.try_take(&ours, MIB).is_none(), "a longer one is alone");
        let rest = room.try_take(&theirs, 40 * MIB);
        assert!(rest.is_some(), "and takes no more than a share from others");
        assert!(room.try_take(&theirs, SHORT + 1).is_none());
        assert!(room.try_take(&theirs, SHORT).is_some() && room.try_take(&ours, SHORT).is_some(), "a short one passes");
        drop(whole);
        assert!(room.try_take(&theirs, SHORT + 1).is_some());
    }
}
