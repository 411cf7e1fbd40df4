//! What one incarnation of the guardian works with, shared by its operations.

use crate::database::Database;
use crate::events::{PeersChanged, SubscriptionsChanged, VersionPublished};
use crate::files::DirLock;
use crate::index::AuditIndex;
use crate::ledger::Ledger;
use crate::manifests::ManifestStore;
use crate::options::GuardianOptions;
use crate::recall::Serving;
use crate::settle::Doubtful;
use crate::space::Space;
use bib_chunks::ChunkStore;
use bib_kit::BlockingPool;
use bib_kit::Tasks;
use bib_kit::events::Topic;
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// The topics that the guardian publishes on.
pub(crate) struct Events {
    pub(crate) versions: Topic<VersionPublished>,
    pub(crate) peers: Topic<PeersChanged>,
    pub(crate) subscriptions: Topic<SubscriptionsChanged>,
}

/// The database, the log and the files of one incarnation.
pub(crate) struct Core {
    pub(crate) options: GuardianOptions,
    pub(crate) database: Box<dyn Database>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) manifests: ManifestStore,
    pub(crate) chunks: ChunkStore,
    pub(crate) events: Events,
    pub(crate) index: AuditIndex,
    pub(crate) space: Space,
    /// What the handles may answer without asking.
    pub(crate) serving: Serving,
    /// Blocking calls: files, and SQLite's connections.
    pub(crate) pool: BlockingPool,
    /// Outcomes that were handed to the log and are not durable yet.
    pub(crate) owed: Tasks,
    /// Changes of which it is not known whether they were committed.
    pub(crate) doubts: Sender<Doubtful>,
    /// Held by whoever looks at the note of how far the catalogue is.
    pub(crate) noting: Arc<tokio::sync::Mutex<()>>,
    /// Keeps every other incarnation and every other bibd out of the data directory.
    pub(crate) _lock: DirLock,
}

impl Drop for Core {
    fn drop(&mut self) {
        self.database.close();
    }
}
