//! What other nodes get from this one: answers about the catalogue, and chunks. Bounded in streams, memory and time.

mod data;
mod list;
mod manifest;
mod slots;
mod sync;

use crate::pairing;
use crate::shared::Shared;
use bib_swarm::protocols;
pub(crate) use manifest::Room;
pub(crate) use slots::Slots;
use std::sync::Arc;

/// The protocols that this crate serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    /// Pairing.
    Pair,
    /// The catalogue.
    Sync,
    /// Chunks.
    Data,
}

impl Served {
    pub(crate) const ALL: [Self; 3] = [Self::Pair, Self::Sync, Self::Data];

    const fn protocol(self) -> &'static str {
        match self {
            Self::Pair => protocols::PAIR,
            Self::Sync => protocols::SYNC,
            Self::Data => protocols::DATA,
        }
    }
}

/// Takes the inbound streams of one protocol for as long as the incarnation lives, also over restarts of the swarm.
pub(crate) async fn accept(shared: Arc<Shared>, served: Served) {
    let options = &shared.options;
    let per_peer = match served {
        Served::Pair => 1,
        Served::Sync => options.sync_streams_per_peer,
        Served::Data => options.data_streams_per_peer,
    };
    let total = if served == Served::Pair { options.pair_streams } else { options.served_streams };
    let share = match served {
        Served::Pair => 0,
        Served::Sync => Room::places(options.served_manifests_per_peer),
        Served::Data => options.served_chunks_per_peer,
    };
    let slots = Slots::new(per_peer, total, share);
    loop {
        match shared.swarm.accept(served.protocol()).await {
            Ok(mut streams) => {
                // a swarm that has just started lets nobody in before it is told whom
                if let Err(error) = shared.reload_peers().await {
                    tracing::warn!(%error, "could not tell the swarm which nodes are paired");
                }
                while let Some((peer, stream)) = streams.recv().await {
                    let Some(slot) = slots.take(&peer) else {
                        tracing::debug!(%peer, ?served, "closed a stream: this peer has too many");
                        continue;
                    };
                    let task = Arc::clone(&shared);
                    shared.spawn("serve", async move {
                        match served {
                            Served::Pair => pairing::serve(&task, &peer, stream).await,
                            Served::Sync => sync::serve(&task, &peer, slot.share(), stream).await,
                            Served::Data => data::serve(&task, &peer, slot.share(), stream).await,
                        }
                        drop(slot);
                    });
                }
            }
            Err(error) => tracing::debug!(%error, ?served, "the swarm gives no streams"),
        }
        tokio::time::sleep(shared.options.accept_retry).await;
    }
}
