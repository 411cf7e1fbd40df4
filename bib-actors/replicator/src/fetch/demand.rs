//! Single chunks of a version for somebody who is about to read them, from the connected peers that have them.
//!
//! The same transfer as for a whole version, over fewer chunks: several peers, checked before they are kept, a liar
//! blamed and left. Nobody who goes away leaves a transfer behind.

use super::find::holders;
use crate::error::ReplicatorError;
use crate::messages::Demand;
use crate::report::Progress;
use crate::shared::Shared;
use crate::transfer::{self, Job};
use bib_chunks::ChunkError;
use bib_domain::NodeId;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Fetches the chunks; how many bytes came for that.
pub(crate) async fn demand(shared: &Arc<Shared>, asked: Demand) -> Result<u64, ReplicatorError> {
    transfer::check(&asked.chunks, shared.chunks.options().max_chunk_bytes).map_err(ChunkError::from)?;
    let deadline = Instant::now() + asked.within;
    let prepare = async {
        let place = Arc::clone(&shared.demands).acquire_owned().await;
        (place, known_holders(shared, &asked).await)
    };
    let (_place, holders) = tokio::select! {
        () = asked.gone.cancelled() => return Err(ReplicatorError::Late),
        ready = tokio::time::timeout_at(deadline, prepare) => ready.map_err(|_| ReplicatorError::Late)?,
    };
    // those that have all of it, or anybody: a part of it may be there, too
    let pick = |usable: &BTreeSet<NodeId>| {
        let best: BTreeSet<NodeId> = usable.intersection(&holders).cloned().collect();
        if best.is_empty() { usable.clone() } else { best }
    };
    let mut usable = shared.watch_usable();
    let first = pick(&usable.borrow_and_update());
    if first.is_empty() {
        return Err(ReplicatorError::Alone);
    }
    let (sources, receiver) = watch::channel(first);
    let progress = Arc::new(Progress::default());
    let job = Job {
        version: asked.version,
        progress: Arc::clone(&progress),
        sources: receiver,
        holders: Some(holders.clone()),
        give_way: CancellationToken::new(),
    };
    let fetching = transfer::some(shared, job, &asked.chunks);
    tokio::pin!(fetching);
    loop {
        tokio::select! {
            done = &mut fetching => {
                return done.map(|()| progress.bytes_fetched()).map_err(|detail| ReplicatorError::Unfetched { detail });
            }
            changed = usable.changed() => {
                if changed.is_ok() {
                    let now = pick(&usable.borrow_and_update());
                    sources.send_if_modified(|old| std::mem::replace(old, now.clone()) != now);
                }
            }
            () = asked.gone.cancelled() => break,
            () = tokio::time::sleep_until(deadline) => break,
        }
    }
    // without its sources it ends, and what was found right is synced first
    drop(sources);
    let _ = fetching.await;
    Err(ReplicatorError::Late)
}

async fn known_holders(shared: &Shared, asked: &Demand) -> BTreeSet<NodeId> {
    if let Some(known) = shared.known_holders(&asked.version) {
        return known;
    }
    let found = holders(shared, &asked.dataset, asked.version).await;
    if !found.is_empty() {
        shared.remember_holders(asked.version, found.clone());
    }
    found
}
