//! Paired nodes.

use super::to_i64;
use crate::audited::{Batch, Change, Look, Stamp};
use crate::core::Core;
use crate::database::{DbError, DbRole, Row, Statement, Tx};
use crate::error::GuardianError;
use crate::events::PeersChanged;
use crate::rows::PeerRow;
use bib_domain::{Need, NodeId, OpContext};

const COLUMNS: &str = "node_id, name, mode, storage, addresses, base, blamed, last_seen_ms, sync_cursor";

fn peer(row: &mut Row) -> Result<PeerRow, DbError> {
    Ok(PeerRow {
        node_id: row.parsed()?,
        name: row.text()?,
        mode: row.text()?,
        storage: row.text()?,
        addresses: addresses_of(&row.text()?)?,
        base: row.bool()?,
        blamed: row.text()?,
        last_seen_ms: row.int()?,
        sync_cursor: row.count()?,
    })
}

fn addresses_of(text: &str) -> Result<Vec<String>, DbError> {
    serde_json::from_str(text)
        .map_err(|error| DbError::Refused(format!("the addresses of a peer do not parse: {error}")))
}

fn announce(core: &Core) {
    core.events.peers.publish(PeersChanged);
}

/// Adds a peer or changes what is known of it. The cursor and the blame of a known peer stay as they are.
pub(crate) struct UpsertPeer {
    pub(crate) cx: OpContext,
    pub(crate) peer: PeerRow,
}

impl UpsertPeer {
    fn statement(&self, stamp: Stamp) -> Result<Statement, GuardianError> {
        let peer = &self.peer;
        let addresses = serde_json::to_string(&peer.addresses)
            .map_err(|error| GuardianError::Statement { reason: format!("addresses cannot be written: {error}") })?;
        let sql = "insert into nodes (node_id, name, mode, storage, addresses, base, blamed, last_seen_ms, sync_cursor, \
                   created_ms, updated_ms) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) \
                   on conflict (node_id) do update set name = excluded.name, mode = excluded.mode, \
                   storage = excluded.storage, addresses = excluded.addresses, base = excluded.base, \
                   last_seen_ms = case when excluded.last_seen_ms > nodes.last_seen_ms then excluded.last_seen_ms \
                       else nodes.last_seen_ms end, \
                   updated_ms = excluded.updated_ms";
        let params = vec![
            (&peer.node_id).into(),
            peer.name.as_str().into(),
            peer.mode.as_str().into(),
            peer.storage.as_str().into(),
            addresses.into(),
            peer.base.into(),
            peer.blamed.as_str().into(),
            peer.last_seen_ms.into(),
            to_i64(peer.sync_cursor, "the position in a peer's catalogue")?.into(),
            stamp.now_ms.into(),
        ];
        Ok(Statement::new(sql, params))
    }
}

impl Change for UpsertPeer {
    type Output = ();
    const ACTION: &'static str = "peer.upsert";
    const ROLE: DbRole = DbRole::Node;
    const SHARES: bool = true;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        self.peer.node_id.to_string()
    }

    fn batch(&self, stamp: Stamp) -> Option<Batch<()>> {
        Some(Batch { statements: vec![self.statement(stamp).ok()?], output: () })
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        tx.run_all(vec![self.statement(stamp)?]).await?;
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }

    fn announce(&self, core: &Core, (): &()) {
        announce(core);
    }
}

/// What is to change in a peer's row.
#[derive(Debug, Clone)]
pub(crate) enum PeerEdit {
    /// Forget it.
    Remove,
    /// Remember why it is not to be trusted; an empty text takes the blame away.
    Blame(String),
    /// Remember how far its catalogue was read.
    Cursor(u64),
}

/// Changes one thing in a peer's row.
pub(crate) struct EditPeer {
    pub(crate) cx: OpContext,
    pub(crate) node: NodeId,
    pub(crate) edit: PeerEdit,
}

impl EditPeer {
    fn statement(&self, stamp: Stamp) -> Result<Statement, GuardianError> {
        let (node, now) = ((&self.node).into(), stamp.now_ms.into());
        let (sql, params) = match &self.edit {
            PeerEdit::Remove => ("delete from nodes where node_id = $1", vec![node]),
            PeerEdit::Blame(reason) => {
                let sql = "update nodes set blamed = $2, updated_ms = $3 where node_id = $1";
                (sql, vec![node, reason.as_str().into(), now])
            }
            PeerEdit::Cursor(position) => {
                let position = to_i64(*position, "the position in a peer's catalogue")?;
                let sql = "update nodes set sync_cursor = $2, updated_ms = $3 where node_id = $1";
                (sql, vec![node, position.into(), now])
            }
        };
        Ok(Statement::new(sql, params))
    }
}

impl Change for EditPeer {
    type Output = ();
    const ACTION: &'static str = "peer.edit";
    const ROLE: DbRole = DbRole::Node;
    const SHARES: bool = true;
    const NEED: Need = Need::Housekeeping;

    fn cx(&self) -> &OpContext {
        &self.cx
    }

    fn object(&self) -> String {
        match &self.edit {
            PeerEdit::Remove => format!("{} (remove)", self.node),
            PeerEdit::Blame(reason) => format!("{} (blame: {reason})", self.node),
            PeerEdit::Cursor(position) => format!("{} (cursor {position})", self.node),
        }
    }

    fn batch(&self, stamp: Stamp) -> Option<Batch<()>> {
        Some(Batch { statements: vec![self.statement(stamp).ok()?], output: () })
    }

    async fn apply(&self, tx: &mut Tx, stamp: Stamp) -> Result<String, GuardianError> {
        let changed: u64 = tx.run_all(vec![self.statement(stamp)?]).await?.iter().sum();
        if changed == 0 && !matches!(self.edit, PeerEdit::Remove) {
            return Err(GuardianError::PeerNotFound { node: self.node.clone() });
        }
        Ok(String::new())
    }

    async fn answer(&self, _tx: &mut Tx, _note: &str) -> Result<(), GuardianError> {
        Ok(())
    }

    fn announce(&self, core: &Core, (): &()) {
        if !matches!(self.edit, PeerEdit::Cursor(_)) {
            announce(core);
        }
    }
}

/// All paired nodes, by id.
pub(crate) struct Peers {
    pub(crate) limit: u32,
}

impl Look for Peers {
    type Output = Vec<PeerRow>;
    const ACTION: &'static str = "peer.list";

    fn object(&self) -> String {
        "nodes".to_owned()
    }

    async fn read(&self, tx: &mut Tx) -> Result<Vec<PeerRow>, GuardianError> {
        let mut rows =
            tx.all(&format!("select {COLUMNS} from nodes order by node_id limit $1"), &[self.limit.into()]).await?;
        Ok(rows.iter_mut().map(peer).collect::<Result<_, _>>()?)
    }
}
