//! A bare tonic server over TLS with the node's messages: no session, no database, no audit.

use super::daemon::{Daemon, listening};
use anyhow::Context;
use bib_node_tests::free_port;
use bib_proto::v1::topic_service_client::TopicServiceClient;
use bib_proto::v1::topic_service_server::{TopicService, TopicServiceServer};
use bib_proto::v1::{
    CreateTopicRequest, CreateTopicResponse, GetTopicRequest, GetTopicResponse, ListTopicsRequest, ListTopicsResponse,
    SubscribeRequest, SubscribeResponse, Topic, UnsubscribeRequest, UnsubscribeResponse,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// The server, as a process of its own.
pub(crate) struct Bare {
    folder: PathBuf,
    port: u16,
    _daemon: Daemon,
}

impl Bare {
    /// Starts it; its certificate lies in `folder`.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir(folder)?;
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let port = free_port();
        std::fs::write(folder.join("cert.pem"), made.cert.pem())?;
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
        std::fs::write(folder.join("port"), port.to_string())?;
        let own = std::env::current_exe().context("find this program")?;
        let daemon = Daemon::start(Command::new(own).arg("--serve-tonic").arg(folder))?;
        listening("the bare server listens", port)?;
        Ok(Self { folder: folder.to_owned(), port, _daemon: daemon })
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> anyhow::Result<TopicServiceClient<Channel>> {
        let ca = Certificate::from_pem(std::fs::read(self.folder.join("cert.pem"))?);
        let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{}", self.port))?;
        Ok(TopicServiceClient::new(endpoint.tls_config(tls)?.tcp_nodelay(true).connect().await?))
    }
}

/// Serves until the process is killed.
pub(crate) fn serve(folder: &Path) -> anyhow::Result<()> {
    let port: u16 = std::fs::read_to_string(folder.join("port"))?.trim().parse()?;
    let read = |name: &str| std::fs::read(folder.join(name)).with_context(|| format!("read {name}"));
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(read("cert.pem")?, read("key.pem")?));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::builder().tls_config(tls)?.tcp_nodelay(true).add_service(TopicServiceServer::new(Topics));
        Ok(server.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?)
    })
}

struct Topics;

#[tonic::async_trait]
impl TopicService for Topics {
    async fn get_topic(&self, request: Request<GetTopicRequest>) -> Result<Response<GetTopicResponse>, Status> {
        let topic = Topic { name: request.into_inner().name, ..Topic::default() };
        Ok(Response::new(GetTopicResponse { topic: Some(topic) }))
    }

    async fn create_topic(&self, _: Request<CreateTopicRequest>) -> Result<Response<CreateTopicResponse>, Status> {
        Err(not_here())
    }

    async fn list_topics(&self, _: Request<ListTopicsRequest>) -> Result<Response<ListTopicsResponse>, Status> {
        Err(not_here())
    }

    async fn subscribe(&self, _: Request<SubscribeRequest>) -> Result<Response<SubscribeResponse>, Status> {
        Err(not_here())
    }

    async fn unsubscribe(&self, _: Request<UnsubscribeRequest>) -> Result<Response<UnsubscribeResponse>, Status> {
        Err(not_here())
    }
}

fn not_here() -> Status {
    Status::unimplemented("the bare server answers one call")
}
