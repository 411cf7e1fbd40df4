//! From durable chunks to a version: schemas, number, parents, signature, catalogue.

use super::tables::{Found, Notice, describe_files};
use crate::problem::Problem;
use crate::shared::Shared;
use bib_chunks::{Content, Entry, EntryKind, Manifest, SignedManifest};
use bib_domain::{DatasetRef, OpContext, VersionId};
use bib_guardian::{GuardianError, Published, VersionRow, VersionState};
use bib_kit::clock;
use std::sync::Arc;
use tonic::Code;

/// What is to be published.
pub(super) struct Request {
    pub(super) dataset: DatasetRef,
    pub(super) message: String,
    /// Keep tables that cannot be read as plain bytes.
    pub(super) allow_broken: bool,
    /// The version from which files were taken over without hashing them again.
    pub(super) kept_from: Option<VersionId>,
}

/// What was published.
pub(super) struct Done {
    pub(super) version: VersionRow,
    pub(super) created: bool,
    pub(super) new_bytes: u64,
    pub(super) new_chunks: u64,
    pub(super) audit_seq: u64,
    pub(super) notices: Vec<Notice>,
    pub(super) more_notices: u64,
}

/// Publishes what was received, one version of a dataset at a time.
pub(super) async fn publish(
    shared: &Arc<Shared>,
    op: &OpContext,
    request: Request,
    content: Content,
) -> Result<Done, Problem> {
    let store = shared.deps.chunks.clone();
    let allow_broken = request.allow_broken;
    let most = shared.options.transfers.upload_notices;
    let found = shared.reads.run(move || describe_files(&store, content, allow_broken, most)).await??;
    let Found { content, notices, more_notices } = found;
    let (new_bytes, new_chunks) = (content.new_bytes, content.new_chunks);
    let guardian = shared.deps.guardian.on_behalf_of(op);
    let _turn = shared.locks.lock(&request.dataset).await;
    let mut tries = 0;
    loop {
        tries += 1;
        let before = guardian.get_dataset(&request.dataset).await?;
        if let Some(latest) = before.as_ref().and_then(|row| row.latest.clone())
            && latest.complete
            && is_same(shared, &latest, &content).await?
        {
            // by this very request, whose answer was lost: then that answer is given, and what is missing of it recorded
            if guardian.has_published(op, &request.dataset).await?
                && let Some(signed) = guardian.manifest(latest.id).await?
            {
                let Published { version, created, audit_seq } =
                    guardian.publish(op, signed, VersionState { complete: true }).await?;
                if version.id != latest.id && !is_same(shared, &version, &content).await? {
                    return Err(id_reused(&version));
                }
                return Ok(Done { version, created, new_bytes, new_chunks, audit_seq, notices, more_notices });
            }
            let audit_seq = latest.audit_seq;
            let version = latest;
            return Ok(Done { version, created: false, new_bytes, new_chunks, audit_seq, notices, more_notices });
        }
        let signed = sign(
            shared,
            &request,
            &content,
            before.as_ref().map_or(0, |row| row.highest_number),
            before.and_then(|row| row.latest),
        )
        .await?;
        let id = signed.id();
        match guardian.publish(op, Arc::new(signed), VersionState { complete: true }).await {
            Ok(Published { version, created, audit_seq }) => {
                if version.id == id {
                    note(shared, id, request.kept_from).await;
                } else if !is_same(shared, &version, &content).await? {
                    return Err(id_reused(&version));
                }
                return Ok(Done { version, created, new_bytes, new_chunks, audit_seq, notices, more_notices });
            }
            // A version of the same number came from elsewhere meanwhile: go on from it.
            Err(GuardianError::NumberTaken { .. }) if tries < shared.options.transfers.publish_tries => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The request was carried out before, with other bytes: those that came now are in no version.
fn id_reused(first: &VersionRow) -> Problem {
    let text = format!(
        "an upload with this request id made version {} of {} before, of other files; nothing was published now",
        first.number, first.dataset
    );
    Problem::new(Code::FailedPrecondition, "REQUEST_ID_REUSED", text)
        .hint("send it without a request id, or with a new one: uuidgen")
        .with("dataset", first.dataset.to_string())
        .with("version", first.id.to_string())
}

/// Notes that a version agrees with itself: this node hashed its files and its chunks from the same bytes, or took them
/// over from a version that is known to agree.
async fn note(shared: &Arc<Shared>, id: VersionId, kept_from: Option<VersionId>) {
    let agreed = shared.deps.guardian.agreed();
    let noting = move || {
        if kept_from.is_none_or(|base| agreed.knows(base)) { agreed.note(id) } else { Ok(()) }
    };
    if let Ok(kept) = shared.reads.run(noting).await {
        super::verify::said(id, kept);
    }
}

/// Makes and signs the manifest. Blocking work: encoding and hashing a manifest of many entries takes a while.
async fn sign(
    shared: &Arc<Shared>,
    request: &Request,
    content: &Content,
    highest: u64,
    latest: Option<VersionRow>,
) -> Result<SignedManifest, Problem> {
    let key = shared.deps.signing_key.clone();
    let manifest = Manifest {
        dataset: request.dataset.to_string(),
        number: highest + 1,
        created_ms: clock::unix_ms(),
        message: request.message.clone(),
        parents: latest.map(|row| row.id).into_iter().collect(),
        publisher: key.verifying_key().to_bytes(),
        chunks: content.chunks.clone(),
        entries: content.entries.clone(),
    };
    Ok(shared.reads.run(move || SignedManifest::sign(manifest, &key)).await??)
}

/// Whether the version holds the same files already.
async fn is_same(shared: &Arc<Shared>, version: &VersionRow, content: &Content) -> Result<bool, Problem> {
    let files = content.entries.iter().filter(|entry| entry.is_file()).count() as u64;
    if version.files != files {
        return Ok(false);
    }
    let Some(signed) = shared.deps.guardian.manifest(version.id).await? else { return Ok(false) };
    let (old, new) = (&signed.manifest().entries, &content.entries);
    Ok(old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same_entry(old, new)))
}

/// The same to who downloads it: how the bytes lie in chunks does not matter.
fn same_entry(old: &Entry, new: &Entry) -> bool {
    let kind = match (&old.kind, &new.kind) {
        (
            EntryKind::File { size: a, content: x, schema: s, .. },
            EntryKind::File { size: b, content: y, schema: t, .. },
        ) => a == b && x == y && s == t,
        (EntryKind::Directory, EntryKind::Directory) => true,
        (EntryKind::Symlink { target: a }, EntryKind::Symlink { target: b }) => a == b,
        _ => false,
    };
    kind && old.path == new.path && old.mode == new.mode
}
