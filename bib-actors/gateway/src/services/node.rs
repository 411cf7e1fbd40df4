//! This node, its peers, and pairing.

use super::stream::Out;
use super::{answer, convert, watch};
use crate::access::Caller;
use crate::journal::Record;
use crate::mapping::node_not_found;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::NodeId;
use bib_guardian::PeerRow;
use bib_proto::v1::node_service_server::NodeService;
use bib_proto::v1::{
    ConnectNodeRequest, ConnectNodeResponse, CreateInviteRequest, CreateInviteResponse, DisconnectNodeRequest,
    DisconnectNodeResponse, ForgetNodeRequest, ForgetNodeResponse, GetNodeRequest, GetNodeResponse, GetSelfRequest,
    GetSelfResponse, JoinRequest, JoinResponse, ListNodesRequest, ListNodesResponse, Node, WatchEventsRequest,
    WatchEventsResponse,
};
use bib_swarm::ConnectedPeer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Request, Response, Status};

/// How many nodes an ambiguous id names in its error.
const CANDIDATES: usize = 5;

/// The node service.
pub(crate) struct Nodes(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl NodeService for Nodes {
    type WatchEventsStream = Out<WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        answer(request, |caller, asked| async move { watch::watch(&self.0, &caller, &asked) }).await
    }

    async fn get_self(&self, request: Request<GetSelfRequest>) -> Result<Response<GetSelfResponse>, Status> {
        answer(request, |_, _| async move { self.own().await }).await
    }

    async fn list_nodes(&self, request: Request<ListNodesRequest>) -> Result<Response<ListNodesResponse>, Status> {
        answer(request, |_, asked| async move {
            let mut nodes = self.known().await?;
            nodes.retain(|node| node.connected || !asked.connected_only);
            Ok(ListNodesResponse { nodes })
        })
        .await
    }

    async fn get_node(&self, request: Request<GetNodeRequest>) -> Result<Response<GetNodeResponse>, Status> {
        answer(request, |_, asked| async move { Ok(GetNodeResponse { node: Some(self.find(&asked.id).await?) }) }).await
    }

    async fn connect_node(
        &self,
        request: Request<ConnectNodeRequest>,
    ) -> Result<Response<ConnectNodeResponse>, Status> {
        answer(request, |caller, asked| async move { self.connect(&caller, &asked.address).await }).await
    }

    async fn disconnect_node(
        &self,
        request: Request<DisconnectNodeRequest>,
    ) -> Result<Response<DisconnectNodeResponse>, Status> {
        answer(request, |caller, asked| async move { self.disconnect(&caller, &asked.id).await }).await
    }

    async fn forget_node(&self, request: Request<ForgetNodeRequest>) -> Result<Response<ForgetNodeResponse>, Status> {
        answer(request, |caller, asked| async move { self.forget(&caller, &asked).await }).await
    }

    async fn create_invite(
        &self,
        request: Request<CreateInviteRequest>,
    ) -> Result<Response<CreateInviteResponse>, Status> {
        answer(request, |caller, asked| async move { self.invite(&caller, &asked).await }).await
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        answer(request, |caller, asked| async move {
            let op = caller.op_with(&asked.request_id)?;
            let row = self.0.deps.replicator.join(&op, asked.ticket.trim(), asked.base).await?;
            let id = row.node_id.clone();
            let node = self.known().await?.into_iter().find(|node| node.id == id.as_str());
            Ok(JoinResponse { node: Some(node.unwrap_or_else(|| paired(row))) })
        })
        .await
    }
}

impl Nodes {
    async fn own(&self) -> Result<GetSelfResponse, Problem> {
        let (options, deps) = (&self.0.options, &self.0.deps);
        let storage = deps.guardian.storage().await?;
        let counts = deps.guardian.counts().await?;
        let store = deps.chunks.stats();
        // The node can be looked at while its swarm or replicator restarts.
        let addresses = deps.swarm.listen_addrs().await.unwrap_or_default();
        let transfers = deps.replicator.transfers().await.unwrap_or_default();
        let node = Node {
            id: options.node_id.to_string(),
            name: options.node_name.clone(),
            mode: options.mode.as_str().to_owned(),
            storage: storage.kind.as_str().to_owned(),
            addresses,
            last_seen_ms: bib_kit::clock::unix_ms(),
            ..Default::default()
        };
        Ok(GetSelfResponse {
            node: Some(node),
            version: options.version.clone(),
            data_dir: options.data_dir.display().to_string(),
            started_ms: options.started_ms,
            database_runtime: storage.runtime.to_owned(),
            storage_notice: storage.notice,
            tls_fingerprint: hex::encode(self.0.tls_fingerprint),
            topics: counts.topics,
            datasets: counts.datasets,
            versions: counts.versions,
            store_bytes: store.bytes,
            store_chunks: store.chunks,
            transfers: transfers.into_iter().map(convert::transfer).collect(),
        })
    }

    /// Paired nodes and connected ones, each once, by id.
    async fn known(&self) -> Result<Vec<Node>, Problem> {
        let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
        for row in self.0.deps.guardian.peers().await? {
            nodes.insert(row.node_id.to_string(), paired(row));
        }
        for peer in self.0.deps.swarm.peers().await.unwrap_or_default() {
            let id = peer.node_id.to_string();
            let node = nodes.entry(id.clone()).or_insert_with(|| Node { id, ..Default::default() });
            connected(node, peer);
        }
        // As for the swarm: who is paired is known while the replicator restarts.
        for (id, read_ms) in self.0.deps.replicator.catalogs().await.unwrap_or_default() {
            if let Some(node) = nodes.get_mut(id.as_str()) {
                node.catalog_read_ms = read_ms;
            }
        }
        Ok(nodes.into_values().collect())
    }

    /// By id, name, or a beginning or end of an id that fits one only. All ids begin alike, so people give ends.
    async fn find(&self, wanted: &str) -> Result<Node, Problem> {
        if wanted.is_empty() {
            return Err(Problem::invalid("id", "NO_NODE_GIVEN", "no node is named").hint("bib node list"));
        }
        let nodes = self.known().await?;
        let exact = nodes.iter().find(|node| node.id == wanted || node.name == wanted).cloned();
        if let Some(node) = exact {
            return Ok(node);
        }
        let fits = |node: &Node| node.id.ends_with(wanted) || node.id.starts_with(wanted);
        let mut fits: Vec<Node> = nodes.into_iter().filter(fits).collect();
        match fits.len() {
            0 => Err(node_not_found(wanted)),
            1 => Ok(fits.remove(0)),
            many => {
                let shown: Vec<String> = fits.iter().take(CANDIDATES).map(candidate).collect();
                let more = if many > CANDIDATES { ", ..." } else { "" };
                let text =
                    format!("{wanted} fits {many} nodes: {}{more}; give more of the id, or the name", shown.join(", "));
                Err(Problem::invalid("id", "NODE_AMBIGUOUS", text).hint("bib node list"))
            }
        }
    }

    async fn connect(&self, caller: &Caller, address: &str) -> Result<ConnectNodeResponse, Problem> {
        let record = self.0.journal.changes(&caller.op(), "node.connect", address).await?;
        let done = async {
            let id = self.0.deps.swarm.dial(address).await?;
            self.find(id.as_str()).await
        };
        let node = settle(record, done.await).await?;
        Ok(ConnectNodeResponse { node: Some(node) })
    }

    async fn disconnect(&self, caller: &Caller, wanted: &str) -> Result<DisconnectNodeResponse, Problem> {
        let node = self.find(wanted).await?;
        let record = self.0.journal.changes(&caller.op(), "node.disconnect", &node.id).await?;
        let done = async {
            let id: NodeId = node.id.parse()?;
            self.0.deps.swarm.disconnect(&id).await?;
            Ok(())
        };
        settle(record, done.await).await?;
        Ok(DisconnectNodeResponse {})
    }

    async fn forget(&self, caller: &Caller, asked: &ForgetNodeRequest) -> Result<ForgetNodeResponse, Problem> {
        let op = caller.op_with(&asked.request_id)?;
        // a whole id need not be known any more: the same request may have been carried out before
        let id: NodeId = match asked.id.parse() {
            Ok(id) => id,
            Err(_) => self.find(&asked.id).await?.id.parse()?,
        };
        self.0.deps.replicator.forget(&op, &id).await?;
        Ok(ForgetNodeResponse {})
    }

    async fn invite(&self, caller: &Caller, asked: &CreateInviteRequest) -> Result<CreateInviteResponse, Problem> {
        let op = caller.op_with(&asked.request_id)?;
        let calls = &self.0.options.calls;
        let ttl = if asked.ttl_seconds == 0 { calls.invite_ttl } else { Duration::from_secs(asked.ttl_seconds) };
        let invite = self.0.deps.replicator.create_invite(&op, ttl).await?;
        Ok(CreateInviteResponse { ticket: invite.ticket, expires_ms: invite.expires_ms })
    }
}

/// Closes the record with the outcome.
async fn settle<T>(record: Record, outcome: Result<T, Problem>) -> Result<T, Problem> {
    match outcome {
        Ok(value) => {
            record.done_durably().await?;
            Ok(value)
        }
        Err(problem) => {
            record.ended(&problem).await;
            Err(problem)
        }
    }
}

fn candidate(node: &Node) -> String {
    if node.name.is_empty() { node.id.clone() } else { format!("{} ({})", node.name, node.id) }
}

fn paired(row: PeerRow) -> Node {
    Node {
        id: row.node_id.to_string(),
        name: row.name,
        mode: row.mode,
        storage: row.storage,
        paired: true,
        addresses: row.addresses,
        last_seen_ms: row.last_seen_ms,
        base: row.base,
        blamed: row.blamed,
        ..Default::default()
    }
}

fn connected(node: &mut Node, peer: ConnectedPeer) {
    node.connected = true;
    node.paired |= peer.paired;
    node.transport = peer.transport.to_string();
    node.rtt_us = peer.rtt_us.unwrap_or_default();
    node.last_seen_ms = bib_kit::clock::unix_ms();
    if !node.addresses.contains(&peer.address) {
        node.addresses.insert(0, peer.address);
    }
}
