//! Looks whether the catalogue is the one that the chunks and manifests on the disk belong to, before anything is removed
//! because the catalogue does not name it.
//!
//! The note lies in `<data_dir>/manifests/catalog`, so that it goes wherever the manifests go.

use crate::audited::{Change, Stamp};
use crate::core::Core;
use crate::database::{Access, DbRole, Tx};
use crate::error::GuardianError;
use crate::files;
use crate::process::on;
use bib_domain::continuity::{Doubt, Mark, Noted, judge};
use bib_domain::{Need, OpContext};
use bib_kit::{Event, clock};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Stands for the number of a catalogue that could not get one.
const UNNUMBERED: u64 = 0;
/// What people write into the note to have the catalogue believed that is there.
const BELIEVE: &str = "believe";
/// Any catalogue is like this one, or later.
const BELIEVED: Noted = Noted { mark: Mark { catalog: UNNUMBERED, position: 0 }, doubted: false };

/// Gives the catalogue its number, once.
struct NumberCatalog {
    cx: OpContext,
    number: i64,
}

impl Change for NumberCatalog {
    type Output = ();
    const ACTION: &'static str = "catalog.number";
    const ROLE: DbRole = DbRole::Node;
    const CATALOG: bool = false;
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        "catalog".to_owned()
    }

    async fn apply(&self, tx: &mut Tx, _stamp: Stamp) -> Result<String, GuardianError> {
        let sql = "insert into counters (name, value) values ('number', $1) on conflict (name) do nothing";
        tx.run(sql, &[self.number.into()]).await?;
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }
}

/// Whether what the catalogue does not name may be removed. If not, the node says why, until that has changed.
pub(crate) async fn is_believed(core: &Core) -> Result<bool, GuardianError> {
    let path = core.options.data_dir.join("manifests").join("catalog");
    match look(core, path.clone()).await {
        Ok(Ok(())) => {
            core.space.withhold(String::new());
            Ok(true)
        }
        Ok(Err(doubt)) => {
            let text = explain(doubt, &path);
            tracing::warn!("{text}");
            core.space.withhold(text);
            Ok(false)
        }
        Err(error) => {
            core.space.withhold(format!("nothing is removed that the catalogue does not name: {error}"));
            Err(error)
        }
    }
}

/// Keeps the note soon after each change of what is published: a catalogue that is restored from a copy is compared with
/// how far this one was.
pub(crate) async fn keep_note(core: Arc<Core>) {
    let mut news = core.events.versions.subscribe();
    loop {
        if matches!(news.recv().await, Event::Closed) {
            return;
        }
        tokio::time::sleep(core.options.orphans.note_delay).await;
        // those that came meanwhile are durable, and in the same note
        news = core.events.versions.subscribe();
        note(&core).await;
    }
}

/// Notes how far the catalogue is, if it is the one of the files.
pub(crate) async fn note(core: &Core) {
    let path = core.options.data_dir.join("manifests").join("catalog");
    if let Err(error) = look(core, path).await {
        tracing::warn!(%error, "how far the catalogue is was not noted beside the manifests; it is tried again later");
    }
}

async fn look(core: &Core, path: PathBuf) -> Result<Result<(), Doubt>, GuardianError> {
    // one at a time, from reading the catalogue to writing the note: an older look must not judge a newer note
    let turn = Arc::clone(&core.noting).lock_owned().await;
    let (mark, chunks) = (mark_of(core).await?, core.chunks.stats().chunks);
    let root = core.options.data_dir.join("manifests");
    on(&core.pool, move || {
        let _turn = turn;
        let noted = read(&path)?;
        let judged = judge(noted, mark, chunks > 0 || has_manifests(&root)?);
        let note = match judged {
            Ok(()) => Noted { mark, doubted: false },
            // an empty one has no name that another could be compared with
            Err(_) => Noted { doubted: true, ..noted.unwrap_or(BELIEVED) },
        };
        if noted == Some(note) {
            return Ok(judged);
        }
        let written = files::write_durably(&path, &root.join("tmp").join("catalog"), format!("{note}\n").as_bytes());
        match written {
            // a doubt is said all the same, and an older note of the same catalogue is as true as before: a full disk must
            // not keep a sweep from making room
            Err(error) if judged.is_err() || noted.is_some() => {
                tracing::warn!(%error, "how far the catalogue is was not noted beside the manifests");
            }
            written => written?,
        }
        Ok(judged)
    })
    .await
}

fn explain(doubt: Doubt, path: &Path) -> String {
    format!(
        "{doubt}, so nothing is removed that it does not name; restore the database that belongs to them, with bibd stopped; \
         when the right one is there, write the word {BELIEVE} into {} and start bibd again",
        path.display()
    )
}

async fn mark_of(core: &Core) -> Result<Mark, GuardianError> {
    loop {
        let mut tx = Tx::new(core.database.begin(DbRole::Node, Access::Read).await?);
        let rows = tx.all("select c.name, c.value from counters c where c.name in ('catalog', 'number')", &[]).await?;
        tx.commit().await?;
        let (mut catalog, mut position) = (None, 0);
        for mut row in rows {
            match row.text()?.as_str() {
                "number" => catalog = Some(row.count()?),
                _ => position = row.count()?,
            }
        }
        if let Some(catalog) = catalog {
            return Ok(Mark { catalog, position });
        }
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(|error| GuardianError::Setup(error.to_string()))?;
        let number = i64::from_le_bytes(number) & i64::MAX;
        let cx = OpContext::node(clock::new_request_id(), crate::NAME);
        match core.change(NumberCatalog { cx, number }).await {
            // it is told by its place alone until there is room
            Err(GuardianError::DiskFull { .. }) => return Ok(Mark { catalog: UNNUMBERED, position }),
            numbered => numbered?,
        }
    }
}

/// The note. One that cannot be read is none that can be overwritten.
fn read(path: &Path) -> Result<Option<Noted>, GuardianError> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim() == BELIEVE => Ok(Some(BELIEVED)),
        Ok(text) => text.parse().map(Some).map_err(|reason: String| {
            GuardianError::Setup(format!(
                "{} is damaged: {reason}; see docs/how-to/back-up-and-restore.md",
                path.display()
            ))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(GuardianError::file("read", path)(error)),
    }
}

/// Whether there is a manifest. Their folders have two letters.
fn has_manifests(root: &Path) -> Result<bool, GuardianError> {
    let entries = |path: &PathBuf| std::fs::read_dir(path).map_err(GuardianError::file("read", path));
    for folder in entries(&root.to_owned())?.flatten() {
        if folder.file_name().len() == 2 && entries(&folder.path())?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
