//! The gateway actor: owns the listeners and the tasks on them for as long as one incarnation lives.
//!
//! The factory reads certificates, binds the listeners and adds the configured people, so that an incarnation that is
//! up can be reached. A panic in an acceptor or in the server ends the incarnation; the next one binds the same ports.

use crate::access::{GateLayer, install_bootstrap_keys};
use crate::deps::GatewayDeps;
use crate::error::GatewayError;
use crate::events;
use crate::handle::GatewayHandle;
use crate::listen::{Quota, TcpAcceptor, UnixAcceptor, accept_files, bind, leave_word, socket_path};
use crate::messages::{GetListening, Listening};
use crate::options::GatewayOptions;
use crate::serve::{self, Health};
use crate::services::Etags;
use crate::shared::Shared;
use crate::tls::{Certificates, Names};
use crate::web::{Calls, Opening};
use bib_kit::{
    CancellationToken, Child, ChildSpec, Cx, Doom, Handles, ManagedChild, Reply, Slot, StartArgs, StartError, Tasks,
    clock,
};
use bib_proto::passing::socket_beside;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Connections that were accepted and that the server has not taken yet: it takes them at once.
const HANDOVER: usize = 16;

/// The name of the gateway in health, logs and errors.
pub const NAME: &str = "gateway";

/// Its place among the actors: above all others.
const RANK: u8 = 7;
/// It is asked where it listens, and nothing else.
const MAILBOX: usize = 64;

/// Rank, policy and bounds of the gateway. It needs the guardian's people before it lets anybody in.
#[must_use]
pub fn spec(options: &GatewayOptions) -> ChildSpec {
    ChildSpec::new(NAME, RANK)
        .with_depends_on(&[bib_guardian::NAME])
        .with_mailbox(MAILBOX)
        .with_shutdown(options.connections.drain + Duration::from_secs(1))
}

/// Makes the gateway's handle and the child that the root supervises.
#[must_use]
pub fn child(spec: ChildSpec, options: GatewayOptions, deps: GatewayDeps) -> (GatewayHandle, Box<dyn ManagedChild>) {
    let slot = Slot::<GatewayActor>::new(spec);
    let handle = GatewayHandle::new(slot.handle());
    (handle, slot.child(factory(options, deps)))
}

/// One incarnation of the gateway.
pub struct GatewayActor {
    shared: Arc<Shared>,
    tasks: Tasks,
    doom: Doom,
    listening: Listening,
    /// What `started` hands to the tasks.
    bound: Option<Bound>,
    certificates: Arc<Certificates>,
    /// Takes the calls of the pages.
    calls: Option<Arc<Calls>>,
    runtime: Handle,
    /// Cancelled when an orderly stop begins.
    drain: CancellationToken,
    /// Cancelled when the server has no more calls under way.
    drained: CancellationToken,
}

struct Bound {
    grpc: Vec<TcpListener>,
    unix: UnixAcceptor,
    /// Takes open files for uploads.
    files: UnixAcceptor,
    tls: tokio_rustls::TlsAcceptor,
}

/// The gateway's factory. Listeners given as port 0 keep the port that the first incarnation got.
fn factory(
    options: GatewayOptions,
    deps: GatewayDeps,
) -> impl Fn(StartArgs) -> futures::future::BoxFuture<'static, Result<GatewayActor, StartError>> + Send + Sync + 'static
{
    let ports = Arc::new(Mutex::new(options.grpc_listen.clone()));
    move |args| {
        let (mut options, deps, ports) = (options.clone(), deps.clone(), Arc::clone(&ports));
        let runtime = args.runtime.clone();
        Box::pin(async move {
            options.grpc_listen.clone_from(&ports.lock());
            // Sockets belong to the runtime that serves them.
            let starting = AbortOnDropHandle::new(runtime.spawn(GatewayActor::start(options, deps, args)));
            let made = starting.await??;
            ports.lock().clone_from(&made.listening.grpc);
            Ok(made)
        })
    }
}

impl GatewayActor {
    async fn start(options: GatewayOptions, deps: GatewayDeps, args: StartArgs) -> Result<Self, StartError> {
        let certificates = open_certificates(&options, &args).await?;
        let patience = options.connections.bind_patience;
        let mut grpc = Vec::with_capacity(options.grpc_listen.len());
        for address in &options.grpc_listen {
            grpc.push(bind(*address, patience).await?);
        }
        let local = Quota::new(options.connections.local, options.connections.local);
        let unix = UnixAcceptor::bind(socket_path(&options.data_dir), local, patience).await?;
        leave_word(&options.data_dir, unix.path())?;
        let passing = Quota::new(options.connections.passing, options.connections.passing);
        let files = UnixAcceptor::bind(socket_beside(unix.path()), passing, patience).await?;
        let barred = install_bootstrap_keys(&deps.guardian, &options.bootstrap_keys).await?;
        let listening = Listening {
            grpc: grpc.iter().map(TcpListener::local_addr).collect::<Result<Vec<SocketAddr>, _>>()?,
            socket: unix.path().to_owned(),
            tls_fingerprint: *certificates.fingerprint(),
        };
        let tls = Arc::new(certificates.server_config().map_err(GatewayError::from)?).into();
        Ok(Self {
            shared: Shared::new(options, deps, &args, listening.tls_fingerprint, Etags::new()?, barred),
            tasks: args.tasks(16 + grpc.len()),
            doom: args.doom(),
            listening,
            bound: Some(Bound { grpc, unix, files, tls }),
            certificates,
            calls: None,
            runtime: args.runtime.clone(),
            drain: CancellationToken::new(),
            drained: CancellationToken::new(),
        })
    }

    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if let Err(error) = self.tasks.spawn(name, task) {
            self.doom.fail(error.to_string());
        }
    }

    fn spawn_listeners(&mut self, bound: Bound) {
        let limits = self.shared.options.connections.clone();
        let (out, connections) = mpsc::channel(HANDOVER);
        let quota = Quota::new(limits.total, limits.per_address);
        for listener in bound.grpc {
            let acceptor = TcpAcceptor {
                tls: bound.tls.clone(),
                quota: Arc::clone(&quota),
                handshakes: limits.handshakes,
                handshake_timeout: limits.handshake_timeout,
                token: self.shared.token.clone(),
                out: out.clone(),
            };
            self.spawn("accept TLS", self.until_drain(acceptor.run(listener)));
        }
        let weak = out.downgrade();
        self.spawn("accept local", self.until_drain(bound.unix.run(self.shared.token.clone(), out)));
        let shared = &self.shared;
        let (passing, tasks, token) = (Arc::clone(&shared.passing), Arc::clone(&shared.tasks), shared.token.clone());
        self.spawn("accept files", self.until_drain(accept_files(bound.files, passing, tasks, token)));
        for (name, work) in events::feeders(&self.shared) {
            self.spawn(name, work);
        }

        let (health, service) = Health::new(self.shared.deps.health.clone());
        self.spawn("health", health.follow(self.shared.options.calls.tick));
        let (gate, routes) = (GateLayer(Arc::clone(&self.shared)), serve::routes(&self.shared, service));
        let (runtime, drain) = (self.runtime.clone(), self.drain.clone());
        let calls = Arc::new(Calls::new(&gate, routes.clone(), limits.streams, runtime, drain));
        self.shared.deps.door.open(Opening {
            out: weak,
            quota: Quota::new(limits.inside, limits.inside),
            calls: Arc::downgrade(&calls),
            token: self.shared.token.clone(),
            certificates: Arc::clone(&self.certificates),
        });
        self.calls = Some(calls);
        let server = serve::server(&self.shared, gate, routes);
        let (doom, drain, drained) = (self.doom.clone(), self.drain.clone(), self.drained.clone());
        self.spawn("serve", async move {
            let outcome = server(connections, drain.clone()).await;
            if !drain.is_cancelled() {
                doom.fail(format!("the gRPC server ended: {outcome:?}"));
            }
            drained.cancel();
        });
    }

    /// Stops accepting when the drain begins.
    fn until_drain(
        &self,
        accept: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let drain = self.drain.clone();
        async move {
            tokio::select! {
                () = accept => {}
                () = drain.cancelled() => {}
            }
        }
    }

    fn spawn_renewal(&self) {
        // a clock that was put right may have made it invalid; looking at two files costs nothing
        const CHECK: Duration = Duration::from_secs(600);
        let (certificates, reads) = (Arc::clone(&self.certificates), self.shared.reads.clone());
        self.spawn("renew certificate", async move {
            let mut ticks = tokio::time::interval(CHECK);
            loop {
                ticks.tick().await;
                let certificates = Arc::clone(&certificates);
                match reads.run(move || certificates.renew(now())).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "the server certificate could not be renewed"),
                    Err(error) => tracing::warn!(%error, "the server certificate could not be looked at"),
                }
            }
        });
    }
}

impl Child for GatewayActor {
    const NAME: &'static str = NAME;

    fn started(&mut self, _cx: &mut Cx<'_, Self>) {
        if let Some(bound) = self.bound.take() {
            self.spawn_listeners(bound);
            self.spawn_renewal();
        }
        tracing::info!(
            grpc = ?self.listening.grpc,
            socket = %self.listening.socket.display(),
            fingerprint = hex::encode(self.listening.tls_fingerprint),
            "the gateway listens"
        );
    }

    fn shutdown(&mut self, _cx: &mut Cx<'_, Self>) -> Reply<()> {
        self.drain.cancel();
        let (drained, limit) = (self.drained.clone(), self.shared.options.connections.drain);
        let calls = self.calls.clone();
        let ended = async move {
            drained.cancelled().await;
            if let Some(calls) = calls {
                calls.ended().await;
            }
        };
        Reply::later(async move {
            if tokio::time::timeout(limit, ended).await.is_err() {
                tracing::info!("calls that were still under way are broken off");
            }
        })
    }
}

impl Handles<GetListening> for GatewayActor {
    fn handle(&mut self, _: GetListening, _: &mut Cx<'_, Self>) -> Reply<Listening> {
        Reply::now(self.listening.clone())
    }
}

fn now() -> i64 {
    clock::unix_ms() / 1000
}

async fn open_certificates(options: &GatewayOptions, args: &StartArgs) -> Result<Arc<Certificates>, GatewayError> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let listen = options.grpc_listen.iter().map(|address| address.ip().to_string());
    let names = Names::new(options.node_id.clone(), &host, listen.chain(options.names.iter().cloned()));
    let dir = options.data_dir.join("tls");
    Ok(args.blocking(1).run(move || Certificates::open(dir, names, now())).await??)
}
