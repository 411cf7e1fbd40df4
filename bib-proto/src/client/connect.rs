//! One connection to a node, and a typed stub for each of its services.

use super::login::log_in;
use super::tls::Pinned;
use super::{Address, ClientError, Credential, Session, Take, Trust, TrustError, TrustStore, Wire};
use crate::v1::admin_service_client::AdminServiceClient;
use crate::v1::auth_service_client::AuthServiceClient;
use crate::v1::dataset_service_client::DatasetServiceClient;
use crate::v1::health_service_client::HealthServiceClient;
use crate::v1::node_service_client::NodeServiceClient;
use crate::v1::query_service_client::QueryServiceClient;
use crate::v1::topic_service_client::TopicServiceClient;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{GrpcMethod, Request, Status};
use tower::service_fn;

/// How long a call that was broken off is remembered.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Bounds of a connection.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// HTTP/2 window of one stream, in bytes: a download fills it before the first acknowledgement.
    pub stream_window: u32,
    /// HTTP/2 window of the whole connection, in bytes.
    pub connection_window: u32,
    /// Calls whose answers were broken off and that are remembered, each for a second. What a node still sends for one that
    /// is forgotten counts as its fault, and 1,024 faults close the connection: this is how many calls may be broken off
    /// in a second for as long as one likes.
    pub broken_off: usize,
    /// The largest message taken from a node, in bytes.
    pub max_message: usize,
    /// Told of each call before it is sent: service and method.
    pub on_call: Option<fn(&str, &str)>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            stream_window: 4 << 20,
            connection_window: 8 << 20,
            broken_off: 4_096,
            max_message: 64 << 20,
            on_call: None,
        }
    }
}

/// A service stub that sends the session's token with every call.
pub type Stub = InterceptedService<Wire, Bearer>;

/// Adds the session's token, if there is one.
#[derive(Clone, Default)]
pub struct Bearer {
    token: Option<MetadataValue<Ascii>>,
    browser: Option<MetadataValue<Ascii>>,
    on_call: Option<fn(&str, &str)>,
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let (Some(tell), Some(method)) = (self.on_call, request.extensions().get::<GrpcMethod<'static>>()) {
            tell(method.service(), method.method());
        }
        if let Some(value) = &self.token {
            request.metadata_mut().insert("authorization", value.clone());
        }
        if let Some(value) = &self.browser {
            request.metadata_mut().insert(crate::BROWSER_HEADER, value.clone());
        }
        Ok(request)
    }
}

/// A connection to one node. Cheap to clone; calls share one HTTP/2 connection.
#[derive(Clone)]
pub struct Client {
    wire: Wire,
    address: Address,
    options: ClientOptions,
    bearer: Bearer,
}

impl Client {
    /// Connects, and for TCP checks that the node is the one that was trusted.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when nobody answers, [`ClientError::Trust`] when the wrong one does.
    pub async fn connect(
        address: &Address,
        store: &TrustStore,
        trust: Trust,
        options: ClientOptions,
    ) -> Result<Self, ClientError> {
        let channel = match address {
            Address::Unix(path) => unix_channel(path, &options).await.map_err(|error| unreachable(address, &error))?,
            Address::Tcp { host, port } => pinned_channel(address, host, *port, store, trust, &options).await?,
        };
        let bearer = Bearer { on_call: options.on_call, ..Bearer::default() };
        Ok(Self { wire: Wire::Channel(channel), address: address.clone(), options, bearer })
    }

    /// A client in the node's own process. `connector` is called when a connection is needed, and again after it broke.
    /// Must be called in a runtime, which then carries the connection.
    pub fn inside<C, F, S>(connector: C, options: ClientOptions) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = std::io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connector = Arc::new(connector);
        let dial = service_fn(move |_: Uri| {
            let connector = Arc::clone(&connector);
            async move { connector().await.map(TokioIo::new) }
        });
        let channel = endpoint(&options).connect_with_connector_lazy(dial);
        Self::over(Wire::Channel(channel), options)
    }

    /// A client in the node's own process whose calls are handed over one by one, without a connection. `take` answers
    /// also when nobody is there to answer, with a status that says so.
    #[must_use]
    pub fn handing_over(take: Take, options: ClientOptions) -> Self {
        Self::over(Wire::Inside(take), options)
    }

    fn over(wire: Wire, options: ClientOptions) -> Self {
        let bearer = Bearer { on_call: options.on_call, ..Bearer::default() };
        Self { wire, address: Address::Unix("inside".into()), options, bearer }
    }

    /// The same connection for a browser at `address`, with its session's token if it has one.
    ///
    /// # Errors
    /// [`ClientError::Key`] when the token cannot be one.
    pub fn for_browser(&self, address: IpAddr, token: Option<&str>) -> Result<Self, ClientError> {
        let mut bearer = self.bearer.clone();
        bearer.browser = address.to_string().parse().ok();
        bearer.token = token.map(bearer_of).transpose()?;
        Ok(Self { bearer, ..self.clone() })
    }

    /// Where this client is connected to.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Opens a session with an SSH key and uses it from now on.
    ///
    /// # Errors
    /// [`ClientError::Key`] when no key can sign, [`ClientError::Status`] when the node knows none of them.
    pub async fn log_in(&mut self, credential: &Credential) -> Result<Session, ClientError> {
        let session = log_in(self, credential).await?;
        self.use_session(&session)?;
        Ok(session)
    }

    /// Uses a session that was opened before.
    ///
    /// # Errors
    /// [`ClientError::Key`] when the kept token is damaged.
    pub fn use_session(&mut self, session: &Session) -> Result<(), ClientError> {
        self.bearer.token = Some(bearer_of(&session.token)?);
        Ok(())
    }
}

macro_rules! stubs {
    ($($(#[$doc:meta])* $name:ident: $stub:ident),* $(,)?) => {
        impl Client {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> $stub<Stub> {
                    $stub::with_interceptor(self.wire.clone(), self.bearer.clone())
                        .max_decoding_message_size(self.options.max_message)
                }
            )*
        }
    };
}

stubs! {
    /// Health of the node and its actors.
    health: HealthServiceClient,
    /// Login and sessions.
    auth: AuthServiceClient,
    /// This node, its peers, pairing.
    nodes: NodeServiceClient,
    /// Topics.
    topics: TopicServiceClient,
    /// Datasets.
    datasets: DatasetServiceClient,
    /// Queries.
    queries: QueryServiceClient,
    /// Audit log and shutdown.
    admin: AdminServiceClient,
}

fn bearer_of(token: &str) -> Result<MetadataValue<Ascii>, ClientError> {
    format!("Bearer {token}").parse().map_err(|_| ClientError::Key {
        key: "the kept session".to_owned(),
        reason: "its token is damaged; log in again".to_owned(),
    })
}

fn unreachable(address: &Address, error: &dyn std::error::Error) -> ClientError {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        reason = deeper.to_string();
        source = deeper.source();
    }
    ClientError::Unreachable { address: address.to_string(), reason }
}

fn endpoint(options: &ClientOptions) -> Endpoint {
    // the URI is never dialled: the connector knows where to go
    Endpoint::from_static("http://node.bib.invalid")
        .connect_timeout(options.connect_timeout)
        .initial_stream_window_size(options.stream_window)
        .initial_connection_window_size(options.connection_window)
        .http2_max_concurrent_reset_streams(options.broken_off)
        .http2_reset_stream_duration(REMEMBERED)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
}

async fn unix_channel(path: &Path, options: &ClientOptions) -> Result<Channel, tonic::transport::Error> {
    let path = path.to_owned();
    let connector = service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    endpoint(options).connect_with_connector(connector).await
}

async fn pinned_channel(
    address: &Address,
    host: &str,
    port: u16,
    store: &TrustStore,
    trust: Trust,
    options: &ClientOptions,
) -> Result<Channel, ClientError> {
    let known = store.get(address)?;
    let expected = match trust {
        Trust::Expect(fingerprint) => Some(fingerprint),
        Trust::KnownOnly | Trust::FirstUse => known,
    };
    let expected = match (expected, trust) {
        (None, Trust::FirstUse) => Some(look(address, host, port, options).await?),
        (expected, _) => expected,
    };
    let pinned = Pinned::new(expected);
    let config = pinned.config().map_err(|error| unreachable(address, &error))?;
    let connector = TlsConnector::from(Arc::new(config));
    let name = server_name(host);
    let target = (host.to_owned(), port);
    let dial = service_fn(move |_: Uri| {
        let (connector, name, target) = (connector.clone(), name.clone(), target.clone());
        async move {
            let stream = TcpStream::connect(target).await?;
            stream.set_nodelay(true)?;
            connector.connect(name, stream).await.map(TokioIo::new)
        }
    });
    let channel = endpoint(options).connect_with_connector(dial).await.map_err(|error| {
        let address_text = address.to_string();
        match (pinned.seen(), expected) {
            (Some(seen), Some(known)) if seen != known => {
                TrustError::Changed { address: address_text, known, seen }.into()
            }
            (Some(seen), None) => TrustError::Unknown { address: address_text, seen }.into(),
            _ => unreachable(address, &error),
        }
    })?;
    if let Some(fingerprint) = expected.filter(|fingerprint| known != Some(*fingerprint)) {
        store.set(address, fingerprint)?;
    }
    Ok(channel)
}

/// Which certificate authority the node at `address` shows; nothing is sent to it.
async fn look(
    address: &Address,
    host: &str,
    port: u16,
    options: &ClientOptions,
) -> Result<super::Fingerprint, ClientError> {
    let pinned = Pinned::new(None);
    let config = pinned.config().map_err(|error| unreachable(address, &error))?;
    let connector = TlsConnector::from(Arc::new(config));
    let handshake = async {
        let stream = TcpStream::connect((host, port)).await?;
        connector.connect(server_name(host), stream).await.map(|_| ())
    };
    let outcome = tokio::time::timeout(options.connect_timeout, handshake).await;
    match (pinned.seen(), outcome) {
        (Some(seen), _) => Ok(seen),
        (None, Ok(Err(error))) => Err(unreachable(address, &error)),
        (None, _) => Err(ClientError::Unreachable {
            address: address.to_string(),
            reason: format!("no answer within {} s", options.connect_timeout.as_secs()),
        }),
    }
}

fn server_name(host: &str) -> ServerName<'static> {
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| {
        // a host with an underscore or a zone cannot stand in a certificate; the pinned authority decides anyway
        ServerName::DnsName(rustls_pki_types::DnsName::try_from("node.bib.invalid").expect("a valid DNS name"))
    })
}
