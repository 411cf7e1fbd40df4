//! The gRPC server behind all listeners, and the health that it tells.

use crate::access::GateLayer;
use crate::listen::Connection;
use crate::options::ConnectionOptions;
use crate::reflection;
use crate::services::{Admin, Auth, Datasets, HealthOf, Nodes, Queries, Topics};
use crate::shared::Shared;
use bib_kit::{ActorHealth, ActorState, CancellationToken, HealthBoard};
use bib_proto::v1::admin_service_server::AdminServiceServer;
use bib_proto::v1::auth_service_server::AuthServiceServer;
use bib_proto::v1::dataset_service_server::DatasetServiceServer;
use bib_proto::v1::health_service_server::HealthServiceServer;
use bib_proto::v1::node_service_server::NodeServiceServer;
use bib_proto::v1::query_service_server::QueryServiceServer;
use bib_proto::v1::topic_service_server::TopicServiceServer;
use futures::future::BoxFuture;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

/// Serves the connections until the drain is over.
pub(crate) type Serve = Box<
    dyn FnOnce(mpsc::Receiver<Connection>, CancellationToken) -> BoxFuture<'static, Result<(), tonic::transport::Error>>
        + Send,
>;

/// The names under which the standard health service knows our services. `""` is the node as a whole.
const SERVICES: [&str; 8] = [
    "",
    "bib.v1.AdminService",
    "bib.v1.AuthService",
    "bib.v1.DatasetService",
    "bib.v1.HealthService",
    "bib.v1.NodeService",
    "bib.v1.QueryService",
    "bib.v1.TopicService",
];

/// The services.
pub(crate) fn routes(shared: &Arc<Shared>, health: Routes) -> Routes {
    let limits = &shared.options.connections;
    let (message, upload) = (limits.message_bytes, limits.message_bytes);
    let mut routes = health
        .add_service(HealthServiceServer::new(HealthOf(Arc::clone(shared))).max_decoding_message_size(message))
        .add_service(AuthServiceServer::new(Auth(Arc::clone(shared))).max_decoding_message_size(message))
        .add_service(NodeServiceServer::new(Nodes(Arc::clone(shared))).max_decoding_message_size(message))
        .add_service(TopicServiceServer::new(Topics(Arc::clone(shared))).max_decoding_message_size(message))
        .add_service(DatasetServiceServer::new(Datasets(Arc::clone(shared))).max_decoding_message_size(upload))
        .add_service(QueryServiceServer::new(Queries(Arc::clone(shared))).max_decoding_message_size(message))
        .add_service(AdminServiceServer::new(Admin(Arc::clone(shared))).max_decoding_message_size(message));
    if shared.options.reflection {
        routes = reflection::add(routes);
    }
    routes
}

/// Builds the gRPC server.
pub(crate) fn server(shared: &Shared, gate: GateLayer, routes: Routes) -> Serve {
    let limits = shared.options.connections.clone();
    Box::new(move |connections, drain| {
        let incoming = ReceiverStream::new(connections).map(Ok::<_, Infallible>);
        Box::pin(async move {
            builder(&limits)
                .layer(gate)
                .serve_with_incoming_shutdown(routes.prepare(), incoming, drain.cancelled_owned())
                .await
        })
    })
}

/// Every bound of HTTP/2, none left to the library's default.
fn builder(limits: &ConnectionOptions) -> Server {
    Server::builder()
        .max_concurrent_streams(limits.streams)
        .http2_max_pending_accept_reset_streams(Some(limits.pending_resets))
        .http2_max_local_error_reset_streams(Some(limits.local_resets))
        .http2_max_header_list_size(limits.header_bytes)
        .http2_keepalive_interval(Some(limits.keepalive_interval))
        .http2_keepalive_timeout(Some(limits.keepalive_timeout))
        .http2_adaptive_window(Some(false))
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_frame_size(limits.frame_bytes)
}

/// Keeps the standard health service in step with the board.
pub(crate) struct Health {
    reporter: HealthReporter,
    board: HealthBoard,
}

impl Health {
    /// The follower, and the service that it feeds.
    pub(crate) fn new(board: HealthBoard) -> (Self, Routes) {
        let (reporter, service) = health_reporter();
        (Self { reporter, board }, Routes::new(service))
    }

    /// Looks at the board every `tick`, for ever.
    pub(crate) async fn follow(self, tick: Duration) {
        let mut ticks = tokio::time::interval(tick);
        let mut before = None;
        loop {
            let ready = is_ready(&self.board.snapshot());
            if before.replace(ready) != Some(ready) {
                let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
                for service in SERVICES {
                    self.reporter.set_service_status(service, status).await;
                }
            }
            ticks.tick().await;
        }
    }
}

/// Whether every actor runs.
pub(crate) fn is_ready(actors: &[ActorHealth]) -> bool {
    !actors.is_empty() && actors.iter().all(|actor| actor.state == ActorState::Up)
}

/// The word for an actor's state in the API.
pub(crate) const fn state_word(actor: &ActorHealth) -> &'static str {
    match actor.state {
        ActorState::Waiting | ActorState::Starting => "starting",
        ActorState::Up => "running",
        ActorState::Backoff => "restarting",
        ActorState::Stopping => "stopped",
        ActorState::Down if actor.last_failure.is_some() => "failed",
        ActorState::Down => "stopped",
    }
}
