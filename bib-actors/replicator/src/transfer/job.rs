//! What a transfer is for: a whole version, or some chunks of one for somebody who reads them.

use super::run::{Running, Stop};
use crate::driver::Note;
use crate::error::ReplicatorError;
use crate::report::Progress;
use crate::shared::Shared;
use bib_chunks::{ChunkRef, ManifestError, SignedManifest};
use bib_domain::{NodeId, VersionId, Who};
use bib_guardian::GuardianError;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is to be fetched.
pub(crate) struct Job {
    pub(crate) version: VersionId,
    pub(crate) progress: Arc<Progress>,
    /// The peers from which it may be fetched now. The transfer ends when its sender is gone.
    pub(crate) sources: watch::Receiver<BTreeSet<NodeId>>,
    /// Those that say that they have the version whole; `None` if all do. Any other one may have parts of it.
    pub(crate) holders: Option<BTreeSet<NodeId>>,
    /// Cancelled when its place is to go to another version.
    pub(crate) give_way: CancellationToken,
}

impl Job {
    /// Waits until it is to end, and says why. For the time before there is something to end in order.
    async fn stopped(&mut self) -> Stop {
        let unwanted = async { while self.sources.changed().await.is_ok() {} };
        tokio::select! {
            () = self.give_way.cancelled() => Stop::GaveWay,
            () = unwanted => Stop::unwanted(),
        }
    }
}

/// What a transfer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The version is whole, and that is written down.
    Whole,
    /// It gave its place to another version. What came stays.
    GaveWay,
    /// It is not whole, and why; and the peers that turned out not to hold it.
    Failed { error: String, useless: Vec<NodeId> },
}

/// Fetches what is missing of a version.
pub(crate) async fn run(shared: &Arc<Shared>, job: Job) -> Outcome {
    let mut useless = Vec::new();
    match fetch(shared, job, &mut useless).await {
        Ok(()) => Outcome::Whole,
        Err(Stop::GaveWay) => Outcome::GaveWay,
        Err(Stop::Failed(error)) => Outcome::Failed { error, useless },
    }
}

async fn fetch(shared: &Arc<Shared>, mut job: Job, useless: &mut Vec<NodeId>) -> Result<(), Stop> {
    let say = |error: ReplicatorError| error.to_string();
    let signed = manifest(shared, job.version).await.map_err(say)?;
    let chunks = &signed.manifest().chunks;
    check(chunks, shared.chunks.options().max_chunk_bytes).map_err(|error| error.to_string())?;
    // what is here is read and checked: that may take long, and nobody may want it any more
    let missing = tokio::select! {
        missing = missing(shared, &signed) => missing.map_err(say)?,
        stop = job.stopped() => return Err(stop),
    };
    let bytes = |chunks: &mut dyn Iterator<Item = &ChunkRef>| chunks.map(|chunk| u64::from(chunk.len)).sum::<u64>();
    let missing_bytes = bytes(&mut missing.iter().map(|&chunk| &chunks[chunk as usize]));
    job.progress.begin(bytes(&mut chunks.iter()), chunks.len() as u64, missing_bytes, missing.len() as u64);
    if !missing.is_empty() {
        Running::new(shared, &job, chunks, &missing).finish(job.sources, useless).await?;
    }
    let op = shared.op(Who::Node);
    shared.guardian.mark_complete(&op, job.version).await.map_err(|error| say(error.into()))?;
    Ok(())
}

/// The manifest of a version. One that is hurt or gone is fetched again from a peer: no attempt would do without it.
async fn manifest(shared: &Shared, version: VersionId) -> Result<Arc<SignedManifest>, ReplicatorError> {
    let error = match shared.guardian.manifest(version).await {
        Ok(Some(signed)) => return Ok(signed),
        Ok(None) => ReplicatorError::Gone,
        Err(error @ GuardianError::ManifestHurt { .. }) => error.into(),
        Err(error) => return Err(error.into()),
    };
    if shared.remember_hurt(version) {
        tracing::warn!(version = %version.short(), %error, "a version waits for its manifest: it is looked for at peers");
        shared.note(Note::Hurt).await;
    }
    Err(error)
}

/// Fetches these chunks of a version, which [`check`] has passed; comes back when they are synced.
pub(crate) async fn some(shared: &Arc<Shared>, job: Job, chunks: &[ChunkRef]) -> Result<(), String> {
    let places: Vec<u32> = (0..).zip(chunks).map(|(place, _)| place).collect();
    let running = Running::new(shared, &job, chunks, &places).of_some(chunks.len());
    running.finish(job.sources, &mut Vec::new()).await.map_err(|stop| stop.to_string())
}

/// Refuses chunks that are larger than any that is kept, before memory is taken for one. The lengths are the word of the
/// publisher, who signed them: whoever passes that on has done nothing wrong.
pub(crate) fn check(chunks: &[ChunkRef], most: u32) -> Result<(), ManifestError> {
    let Some(chunk) = chunks.iter().find(|chunk| chunk.len > most) else { return Ok(()) };
    let detail = format!(
        "its publisher signed that chunk {} has {} bytes, and chunks have at most {most}",
        chunk.hash, chunk.len
    );
    Err(ManifestError::Contents { path: "chunks".to_owned(), detail })
}

/// The places in the manifest's list of the chunks that are not here, or are damaged here.
async fn missing(shared: &Shared, signed: &Arc<SignedManifest>) -> Result<Vec<u32>, ReplicatorError> {
    let (store, signed, recheck) = (shared.chunks.clone(), Arc::clone(signed), shared.options.recheck_bytes);
    let look = move || {
        let missing: HashSet<_> =
            store.missing_or_hurt(&signed, recheck)?.into_iter().map(|chunk| chunk.hash).collect();
        let places = (0..).zip(&signed.manifest().chunks).filter(|(_, chunk)| missing.contains(&chunk.hash));
        Ok::<_, bib_chunks::ChunkError>(places.map(|(place, _)| place).collect())
    };
    Ok(shared.blocking.run(look).await??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_domain::ChunkHash;

    #[test]
    fn chunks_that_nobody_could_keep_are_refused() {
        let chunk = |len| ChunkRef { hash: ChunkHash::from_bytes([7; 32]), len };
        assert!(check(&[], 10).is_ok());
        assert!(check(&[chunk(1), chunk(10)], 10).is_ok());
        let error = check(&[chunk(1), chunk(11)], 10).unwrap_err().to_string();
        assert!(error.contains("publisher signed") && error.contains("11 bytes") && error.contains("at most 10"));
    }
}
