//! Taking a signed manifest from a peer: it is what its name says, or the peer lied.

use super::Session;
use crate::error::ReplicatorError;
use crate::frame::FrameError;
use crate::shared::Shared;
use crate::wire;
use bib_chunks::{ManifestError, ManifestLimits, SignedManifest};
use bib_domain::{DatasetRef, NodeId, VersionId};

/// The formats of a signed manifest stand within its first bytes.
const HEAD: usize = 256;
/// What a signed manifest begins with.
const SIGNED_FORMAT: &str = "bib-signed-manifest/1";

/// What became of a manifest that a peer offers. The rest of what the peer has must not wait for one that did not come.
pub(super) enum Taken {
    /// It came.
    Manifest(Box<SignedManifest>),
    /// It cannot be read here, and will not be later.
    Unreadable(String),
    /// The peer does not have it now, or does not give it.
    Withheld(String),
    /// The peer is busy, and gives it in a moment.
    Busy(ReplicatorError),
    /// The stream broke over it, and is of no use any more.
    Broken(ReplicatorError),
}

/// Fetches and checks the manifest of a version that a peer offers under a dataset's name, with its length.
pub(super) async fn take_manifest(
    shared: &Shared,
    peer: &NodeId,
    session: &mut Session,
    (dataset, version, manifest_bytes): (&DatasetRef, VersionId, u64),
) -> Result<Taken, ReplicatorError> {
    let skip = |reason: String| Ok(Taken::Unreadable(reason));
    let limit = shared.options.manifest_bytes;
    if manifest_bytes > limit as u64 {
        return skip(format!("its manifest has {manifest_bytes} bytes, and at most {limit} are read"));
    }
    let bytes = match session.manifest(version).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(Taken::Withheld("it does not have the manifest".to_owned())),
        // one that it does not give now is no reason to leave the others
        Err(error @ ReplicatorError::Peer { .. }) if is_busy(&error) => return Ok(Taken::Busy(error)),
        Err(error @ ReplicatorError::Peer { .. }) if !refuses_all(&error) => {
            return Ok(Taken::Withheld(error.to_string()));
        }
        Err(ReplicatorError::Exchange { source: error @ FrameError::TooLong { .. }, .. }) => {
            session.renew(shared).await?;
            return skip(error.to_string());
        }
        Err(error) if breaks_here(&error) => return Ok(Taken::Broken(error)),
        Err(error) => return Err(error),
    };
    let lied = |detail: String| ReplicatorError::Lied { peer: peer.clone(), detail };
    let chunk_bytes = shared.chunks.options().max_chunk_bytes;
    let limits = ManifestLimits { bytes: limit, chunk_bytes, ..ManifestLimits::default() };
    let other_format = is_of_another_format(&bytes);
    let signed = match shared.blocking.run(move || SignedManifest::from_bytes_within(&bytes, &limits)).await? {
        Ok(signed) => signed,
        Err(error @ ManifestError::Limit { .. }) => return skip(error.to_string()),
        Err(error) if other_format => return skip(format!("{error}; upgrade this node")),
        Err(error) => return Err(lied(format!("the manifest it sent for {version} is none: {error}"))),
    };
    if signed.id() != version {
        return Err(lied(format!("it sent the manifest of {} for {version}", signed.id())));
    }
    if signed.manifest().dataset != dataset.to_string() {
        let named = wire::cut(&signed.manifest().dataset);
        return Err(lied(format!("it offered {version} as {dataset}, and its publisher signed it as {named}")));
    }
    Ok(Taken::Manifest(Box::new(signed)))
}

/// Whether a peer says that it can answer in a moment.
pub(super) fn is_busy(error: &ReplicatorError) -> bool {
    matches!(error, ReplicatorError::Peer { code, .. } if code == wire::BUSY)
}

/// Whether the stream broke over this manifest, which may be the only one that comes too slowly or that the peer cannot
/// read. The others are asked for on another stream, if the peer answers there.
fn breaks_here(error: &ReplicatorError) -> bool {
    use FrameError::{Closed, Timeout, TooSlow, Truncated};
    matches!(error, ReplicatorError::Exchange { source: Timeout { .. } | TooSlow { .. } | Truncated | Closed, .. })
}

/// Whether a peer refuses whatever it is asked for.
pub(super) fn refuses_all(error: &ReplicatorError) -> bool {
    matches!(error, ReplicatorError::Peer { code, .. } if [wire::NOT_PAIRED, wire::NOT_SERVING].contains(&code.as_str()))
}

/// Whether these bytes say of themselves that they are a manifest of a format that this version does not know.
fn is_of_another_format(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    [bib_chunks::manifest::FORMAT, SIGNED_FORMAT].iter().any(|format| {
        let (stem, number) = format.split_at(format.len() - 1);
        let at = head.windows(stem.len()).position(|window| window == stem.as_bytes());
        let found = at.and_then(|at| head.get(at + stem.len()));
        found.is_some_and(|found| found.is_ascii_digit() && [*found] != number.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_busy_means_in_a_moment() {
        let answer = |code: &str| ReplicatorError::Peer {
            peer: "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN".parse().unwrap(),
            code: code.to_owned(),
            message: String::new(),
        };
        assert!(is_busy(&answer(wire::BUSY)) && !refuses_all(&answer(wire::BUSY)));
        for code in [wire::NOT_PAIRED, wire::NOT_SERVING, wire::NOT_FOUND, "something new"] {
            assert!(!is_busy(&answer(code)), "{code}");
        }
    }

    #[test]
    fn other_formats_are_recognized() {
        assert!(is_of_another_format(b"\x83\x75bib-signed-manifest/2\x40"));
        assert!(is_of_another_format(b"\x83\x75bib-signed-manifest/1\x58\x20\x88\x6ebib-manifest/3"));
        assert!(!is_of_another_format(b"\x83\x75bib-signed-manifest/1\x58\x20\x88\x6ebib-manifest/1"));
        assert!(!is_of_another_format(b"nonsense"));
        assert!(!is_of_another_format(b""));
    }
}
