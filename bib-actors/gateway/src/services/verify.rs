//! Verification: every chunk of a version hashed again, with news of progress, and a report at the end. Files are hashed
//! besides only until this node has seen that they follow from their chunks, or when somebody asks for it.

use super::dataset::find;
use super::elsewhere::check_keep;
use super::stream::{Out, Sink, fill};
use crate::access::Caller;
use crate::journal::Record;
use crate::mapping::busy;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_chunks::{DamageKind, Entry, Progress, SignedManifest, VerifyOptions, VerifyReport, verify_version_with};
use bib_domain::agreement::{self, Depth, Lesson};
use bib_domain::{ChunkHash, DatasetRef, VersionId};
use bib_guardian::{Agreed, GuardianError};
use bib_proto::v1::verify_response::Part;
use bib_proto::v1::{self, VerifyProgress, VerifyRequest, VerifyResponse};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Starts a verification. A version that is not complete can be verified: the report says what is missing.
pub(super) async fn verify(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: &VerifyRequest,
) -> Result<Out<VerifyResponse>, Problem> {
    check_keep(shared)?;
    let limit = shared.options.transfers.verifications;
    let place = shared.verifications.clone().try_acquire_owned().map_err(|_| busy("verifications", limit))?;
    let dataset: DatasetRef = asked.dataset.parse()?;
    let op = caller.op();
    let mut record = shared.journal.reads(&op, "dataset.verify", &asked.dataset).await;
    let (version, signed) = match find(shared, &op, &dataset, &asked.version).await {
        Ok(found) => found,
        Err(problem) => {
            record.ended(&problem).await;
            return Err(problem);
        }
    };
    record.note("version", version.id.to_string());
    if asked.repair {
        record.note("repair", "true".to_owned());
    }
    let (repair, content) = (asked.repair, asked.content);
    let job = Job { shared: Arc::clone(shared), signed, repair, content, _place: place };
    fill(shared, caller, "verify", |sink| job.run(sink, record))
}

struct Job {
    shared: Arc<Shared>,
    signed: Arc<SignedManifest>,
    repair: bool,
    content: bool,
    _place: OwnedSemaphorePermit,
}

impl Job {
    async fn run(self, sink: Sink<VerifyResponse>, mut record: Record) -> Result<(), Problem> {
        let (report, repaired) = match self.look(&sink).await {
            Ok(found) => found,
            Err(problem) => {
                record.ended(&problem).await;
                return Err(problem);
            }
        };
        if repaired > 0 {
            record.note("repaired", repaired.to_string());
        }
        record.note("content_hashed", (report.depth == Depth::Contents).to_string());
        record.note("ok", report.is_sound().to_string());
        record.note("damaged", (report.damage.len() as u64 + report.more_damage).to_string());
        record.done(None).await;
        let report = report_of(report, self.signed.id().to_string(), repaired);
        sink.send(VerifyResponse { part: Some(Part::Report(report)) }).await
    }

    /// Hashes everything. What is hurt is fetched again; with `repair` that is waited for, and all is hashed once more.
    /// Answers how many chunks were mended meanwhile.
    async fn look(&self, sink: &Sink<VerifyResponse>) -> Result<(VerifyReport, u64), Problem> {
        let report = self.hash(sink).await?;
        let hurt = hurt(&report);
        if hurt.is_empty() {
            return Ok((report, 0));
        }
        if !self.repair {
            self.ask_for_repair(hurt).await;
            return Ok((report, 0));
        }
        let before = hurt.len();
        let left = self.shared.deps.replicator.heal(hurt).await?;
        Ok((self.hash(sink).await?, before.saturating_sub(left) as u64))
    }

    async fn hash(&self, sink: &Sink<VerifyResponse>) -> Result<VerifyReport, Problem> {
        let (store, signed, sink) = (self.shared.deps.chunks.clone(), Arc::clone(&self.signed), sink.clone());
        let (agreed, content) = (self.shared.deps.guardian.agreed(), self.content);
        let options = VerifyOptions { threads: self.shared.options.transfers.verify_threads, ..Default::default() };
        let hash = move || {
            let depth = agreement::depth(content, agreed.knows(signed.id()));
            let manifest = signed.manifest();
            // The verifier tells after each piece of each file, and chunks are listed in the order of their first use.
            let mut pieces = manifest.entries.iter().flat_map(Entry::segments);
            let (mut done, mut before) = (0, 0);
            let report = verify_version_with(&store, &signed, depth, &options, |now: Progress| {
                if now.bytes > before {
                    before = now.bytes;
                    done = pieces.next().map_or(done, |piece| done.max(u64::from(piece.chunk) + 1));
                }
                let progress = VerifyProgress {
                    chunks_done: done,
                    chunks_total: manifest.chunks.len() as u64,
                    bytes_done: now.bytes,
                    bytes_total: now.total_bytes,
                };
                sink.offer(VerifyResponse { part: Some(Part::Progress(progress)) });
            });
            learn(&agreed, signed.id(), &report);
            report
        };
        Ok(self.shared.reads.run(hash).await?)
    }

    async fn ask_for_repair(&self, hurt: Vec<ChunkHash>) {
        if let Err(error) = self.shared.deps.replicator.repair(hurt).await {
            tracing::warn!(%error, "hurt chunks could not be asked for");
        }
    }
}

/// Keeps what a verification has shown. If that fails, the next one hashes files once more.
fn learn(agreed: &Agreed, id: VersionId, report: &VerifyReport) {
    let kept = match agreement::lesson(report.depth, report.is_sound(), report.mismatches) {
        Lesson::Agrees => agreed.note(id),
        Lesson::Contradicts => agreed.forget(id),
        Lesson::Nothing => return,
    };
    said(id, kept);
}

/// A note that could not be kept costs time and nothing else.
pub(super) fn said(id: VersionId, kept: Result<(), GuardianError>) {
    if let Err(error) = kept {
        tracing::info!(version = %id, %error, "its files are hashed once more at the next verification");
    }
}

/// The chunks that are to be fetched again, each once.
fn hurt(report: &VerifyReport) -> Vec<ChunkHash> {
    let mut hurt: Vec<ChunkHash> = report.damage.iter().filter_map(|damage| damage.chunk).collect();
    hurt.sort_unstable();
    hurt.dedup();
    hurt
}

fn report_of(report: VerifyReport, version: String, repaired: u64) -> v1::VerifyReport {
    v1::VerifyReport {
        ok: report.is_sound(),
        signature_ok: report.signature_ok,
        chunks: report.chunks,
        bytes: report.bytes,
        damage: report
            .damage
            .into_iter()
            .map(|damage| v1::Damage {
                path: damage.path,
                chunk: damage.chunk.map(|chunk| chunk.to_string()).unwrap_or_default(),
                kind: kind_of(damage.kind).to_owned(),
                detail: damage.detail,
            })
            .collect(),
        version,
        more_damage: report.more_damage,
        repaired,
        content_known: report.depth == Depth::Chunks,
    }
}

const fn kind_of(kind: DamageKind) -> &'static str {
    match kind {
        DamageKind::Missing => "missing",
        DamageKind::Corrupt | DamageKind::WrongLength => "corrupt",
        DamageKind::ContentMismatch => "content-mismatch",
        DamageKind::Unreadable => "unreadable",
    }
}
