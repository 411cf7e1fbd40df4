//! One catalogue stream to a peer, as the asking side sees it. Requests and answers take turns.

use crate::error::ReplicatorError;
use crate::frame::{FrameError, Patience, read_checked_frame, write_frame};
use crate::shape;
use crate::shared::Shared;
use crate::wire;
use bib_domain::{DatasetRef, NodeId, VersionId};
use bib_proto::v1::{
    Announce, CatalogRequest, CatalogResponse, DatasetsRequest, DatasetsResponse, FindRequest, FindResponse, Hello,
    ManifestRequest, PeerInfo, PeerVersion, PeerVersionRow, SyncResponse, TopicsRequest, TopicsResponse,
    VersionsRequest, sync_request::Request, sync_response::Response,
};
use bib_swarm::{SwarmError, protocols};
use futures::io::AsyncWriteExt;

/// An open catalogue stream.
pub(crate) struct Session {
    peer: NodeId,
    /// None after it broke and no other one could be had.
    stream: Option<bib_swarm::Stream>,
    patience: Patience,
    frame_bytes: usize,
    manifest_bytes: usize,
}

/// A stream that is opened, in its time.
async fn opened(
    shared: &Shared,
    peer: &NodeId,
    opening: impl Future<Output = Result<bib_swarm::Stream, SwarmError>>,
) -> Result<bib_swarm::Stream, ReplicatorError> {
    let after = shared.options.open_deadline;
    let late = |_| ReplicatorError::Exchange { peer: peer.clone(), source: FrameError::Timeout { after } };
    Ok(tokio::time::timeout(after, opening).await.map_err(late)??)
}

/// A stream to a peer that is connected and trusted.
async fn connected_stream(shared: &Shared, peer: &NodeId) -> Result<bib_swarm::Stream, ReplicatorError> {
    let parted = || ReplicatorError::Parted { peer: peer.clone() };
    if !shared.may_talk(peer) {
        return Err(parted());
    }
    let opening = shared.swarm.open_stream_if_connected(peer, protocols::SYNC);
    opened(shared, peer, opening).await.map_err(|error| match error {
        ReplicatorError::Swarm(SwarmError::NotConnected { .. }) => parted(),
        error => error,
    })
}

/// The frame around a manifest.
const WRAPPING: usize = 1024;

impl Session {
    /// Opens a stream to a paired peer.
    pub(crate) async fn open(shared: &Shared, peer: &NodeId) -> Result<Self, ReplicatorError> {
        let stream = opened(shared, peer, shared.swarm.open_stream(peer, protocols::SYNC)).await?;
        Ok(Self::over(shared, peer, stream))
    }

    /// Opens a stream to a peer that is connected: one that somebody disconnected meanwhile is not dialed for this.
    pub(crate) async fn open_if_connected(shared: &Shared, peer: &NodeId) -> Result<Self, ReplicatorError> {
        Ok(Self::over(shared, peer, connected_stream(shared, peer).await?))
    }

    fn over(shared: &Shared, peer: &NodeId, stream: bib_swarm::Stream) -> Self {
        let (options, patience) = (&shared.options, shared.options.answer_patience());
        let (frame_bytes, manifest_bytes) = (options.frame_bytes, options.manifest_bytes);
        Self { peer: peer.clone(), stream: Some(stream), patience, frame_bytes, manifest_bytes }
    }

    /// Goes on over a new stream after one that broke. The peer must greet, so that one that answers nothing any more does
    /// not make each of its versions wait. It must be there and trusted still: a connection that somebody ended is not made
    /// anew for this.
    pub(crate) async fn renew(&mut self, shared: &Shared) -> Result<(), ReplicatorError> {
        // the old one first: the peer serves only so many
        self.stream = None;
        self.stream = Some(connected_stream(shared, &self.peer).await?);
        self.hello(shared.me().await).await?;
        Ok(())
    }

    /// Exchanges greetings.
    pub(crate) async fn hello(&mut self, me: PeerInfo) -> Result<PeerInfo, ReplicatorError> {
        match self.ask(Request::Hello(Hello { me: Some(me) }), self.frame_bytes).await? {
            Response::Hello(hello) => Ok(hello.me.unwrap_or_default()),
            other => Err(self.unasked(&other)),
        }
    }

    /// One page of the catalogue.
    pub(crate) async fn catalog(&mut self, after: u64, page_size: u32) -> Result<CatalogResponse, ReplicatorError> {
        match self.ask(Request::Catalog(CatalogRequest { after, page_size }), self.frame_bytes).await? {
            Response::Catalog(page) if page.more && page.next <= after => {
                Err(self.violation("its catalogue does not go on"))
            }
            Response::Catalog(page) => Ok(page),
            other => Err(self.unasked(&other)),
        }
    }

    /// The version of a dataset that `selector` means to the peer; `None` if it has none whole, or is too old to say.
    pub(crate) async fn find(
        &mut self,
        dataset: &DatasetRef,
        selector: &str,
    ) -> Result<Option<FindResponse>, ReplicatorError> {
        let request = FindRequest { dataset: dataset.to_string(), version: selector.to_owned() };
        match self.ask(Request::Find(request), self.frame_bytes).await {
            Ok(Response::Find(found)) => Ok(Some(found)),
            Ok(other) => Err(self.unasked(&other)),
            Err(ReplicatorError::Peer { code, .. }) if code == wire::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of the topics that the peer knows; nothing if it is too old to say.
    pub(crate) async fn topics(&mut self, request: TopicsRequest) -> Result<TopicsResponse, ReplicatorError> {
        let after = request.after.clone();
        match self.ask(Request::Topics(request), self.frame_bytes).await {
            Ok(Response::Topics(page)) if !page.next.is_empty() && page.next <= after => {
                Err(self.violation("its list of topics does not go on"))
            }
            Ok(Response::Topics(page)) => Ok(page),
            Ok(other) => Err(self.unasked(&other)),
            Err(ReplicatorError::Peer { code, .. }) if code == wire::NOT_FOUND => Ok(TopicsResponse::default()),
            Err(error) => Err(error),
        }
    }

    /// A page of the datasets of which the peer has a version whole; nothing if it is too old to say.
    pub(crate) async fn datasets(&mut self, request: DatasetsRequest) -> Result<DatasetsResponse, ReplicatorError> {
        let after = request.after.clone();
        match self.ask(Request::Datasets(request), self.frame_bytes).await {
            Ok(Response::Datasets(page)) if !page.next.is_empty() && page.next <= after => {
                Err(self.violation("its list of datasets does not go on"))
            }
            Ok(Response::Datasets(page)) => Ok(page),
            Ok(other) => Err(self.unasked(&other)),
            Err(ReplicatorError::Peer { code, .. }) if code == wire::NOT_FOUND => Ok(DatasetsResponse::default()),
            Err(error) => Err(error),
        }
    }

    /// The versions of a dataset that the peer has whole; none if it is too old to say.
    pub(crate) async fn versions(&mut self, dataset: &DatasetRef) -> Result<Vec<PeerVersionRow>, ReplicatorError> {
        let request = VersionsRequest { dataset: dataset.to_string() };
        match self.ask(Request::Versions(request), self.frame_bytes).await {
            Ok(Response::Versions(found)) => Ok(found.versions),
            Ok(other) => Err(self.unasked(&other)),
            Err(ReplicatorError::Peer { code, .. }) if code == wire::NOT_FOUND => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The signed manifest of a version, as bytes; `None` if the peer does not have it.
    pub(crate) async fn manifest(&mut self, version: VersionId) -> Result<Option<Vec<u8>>, ReplicatorError> {
        let request = Request::Manifest(ManifestRequest { version: version.as_bytes().to_vec() });
        match self.ask(request, self.manifest_bytes.saturating_add(WRAPPING)).await {
            Ok(Response::Manifest(manifest)) => Ok(Some(manifest.signed_manifest)),
            Ok(other) => Err(self.unasked(&other)),
            Err(ReplicatorError::Peer { code, .. }) if code == wire::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells that there is something new.
    pub(crate) async fn announce(&mut self, version: Option<PeerVersion>) -> Result<(), ReplicatorError> {
        match self.ask(Request::Announce(Announce { topic: None, version }), self.frame_bytes).await? {
            Response::Announce(_) => Ok(()),
            other => Err(self.unasked(&other)),
        }
    }

    /// Closes the stream in order.
    pub(crate) async fn close(self) {
        if let Some(mut stream) = self.stream {
            let _ = stream.close().await;
        }
    }

    async fn ask(&mut self, request: Request, limit: usize) -> Result<Response, ReplicatorError> {
        let patience = self.patience;
        let exchange = async {
            let stream = self.stream.as_mut().ok_or(FrameError::Closed)?;
            write_frame(stream, &wire::ask(request), patience.piece).await?;
            let check = |bytes: &[u8]| shape::check_answer(bytes, self.frame_bytes);
            let answer: Option<SyncResponse> = read_checked_frame(stream, limit, patience, check).await?;
            answer.ok_or(FrameError::Closed)
        };
        let answer = exchange.await.map_err(|source| ReplicatorError::Exchange { peer: self.peer.clone(), source })?;
        match answer.response {
            Some(Response::Error(error)) => Err(ReplicatorError::Peer {
                peer: self.peer.clone(),
                code: wire::cut(&error.code),
                message: wire::cut(&error.message),
            }),
            Some(response) => Ok(response),
            None => Err(self.violation("it answered nothing that is known here")),
        }
    }

    fn unasked(&self, response: &Response) -> ReplicatorError {
        let what = match response {
            Response::Catalog(_) => "a catalogue",
            Response::Manifest(_) => "a manifest",
            Response::Announce(_) => "an acknowledgement",
            Response::Hello(_) => "a greeting",
            Response::Error(_) => "an error",
            Response::Find(_) => "a version",
            Response::Topics(_) => "topics",
            Response::Datasets(_) => "datasets",
            Response::Versions(_) => "versions",
        };
        self.violation(&format!("it answered {what} that was not asked for"))
    }

    fn violation(&self, detail: &str) -> ReplicatorError {
        ReplicatorError::Protocol { peer: self.peer.clone(), detail: detail.to_owned() }
    }
}
