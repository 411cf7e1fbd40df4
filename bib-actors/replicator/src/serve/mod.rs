//! What other nodes get from this one: answers about the catalogue, and chunks. Bounded in streams, memory and time.

mod data;
mod list;
mod slots;
mod sync;

use crate::pairing;
use crate::shared::Shared;
use bib_swarm::protocols;
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
    let slots = Slots::new(per_peer, total);
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
                        let _slot = slot;
                        match served {
                            Served::Pair => pairing::serve(&task, &peer, stream).await,
                            Served::Sync => sync::serve(&task, &peer, stream).await,
                            Served::Data => data::serve(&task, &peer, stream).await,
                        }
                    });
                }
            }
            Err(error) => tracing::debug!(%error, ?served, "the swarm gives no streams"),
        }
        tokio::time::sleep(shared.options.accept_retry).await;
    }
}
