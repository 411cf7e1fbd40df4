//! The actor that serves the pages for as long as one incarnation lives.

use super::announced::Announced;
use super::door::Door;
use super::handle::PagesHandle;
use super::options::PagesOptions;
use super::tls::{self, AtTheDoor};
use crate::error::GatewayError;
use crate::listen::bind;
use crate::messages::GetPagesUrl;
use crate::serve::{is_ready, state_word};
use bib_kit::{Child, ChildSpec, Cx, Handles, HealthBoard, ManagedChild, Reply, Slot, StartArgs, StartError};
use bib_web::{ActorState, Connector, Readiness, Serving, Site, Take, WebServer};
use parking_lot::Mutex;
use rustls::server::ResolvesServerCert;
use rustls::sign::SingleCertAndKey;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// The name of the pages in health, logs and errors.
pub const NAME: &str = "pages";

/// Beside the gateway: it asks no actor, and none asks it.
const RANK: u8 = 7;
/// It is asked where it listens, and nothing else.
const MAILBOX: usize = 64;

/// Rank, policy and bounds of the pages. They wait for nobody: while the node starts, they say so. Over TLS they need the
/// gateway's certificate, and the gateway a database that may recover for long.
#[must_use]
pub fn spec() -> ChildSpec {
    ChildSpec::new(NAME, RANK)
        .with_mailbox(MAILBOX)
        .with_passing(|error| matches!(error.downcast_ref(), Some(GatewayError::NoCertificate)))
}

/// Makes the pages' handle and the child that the root supervises.
#[must_use]
pub fn child(
    spec: ChildSpec,
    options: PagesOptions,
    door: Door,
    health: HealthBoard,
) -> (PagesHandle, Box<dyn ManagedChild>) {
    let slot = Slot::<PagesActor>::new(spec);
    let handle = PagesHandle::new(slot.handle());
    (handle, slot.child(factory(options, door, health)))
}

/// One incarnation of the pages.
pub struct PagesActor {
    address: SocketAddr,
    url: String,
    _server: WebServer,
}

/// The factory. A listener given as port 0 keeps the port that the first incarnation got.
fn factory(
    options: PagesOptions,
    door: Door,
    health: HealthBoard,
) -> impl Fn(StartArgs) -> futures::future::BoxFuture<'static, Result<PagesActor, StartError>> + Send + Sync + 'static {
    let listen = Arc::new(Mutex::new(options.listen));
    move |args| {
        let (mut options, door, health, listen) = (options.clone(), door.clone(), health.clone(), Arc::clone(&listen));
        let runtime = args.runtime.clone();
        Box::pin(async move {
            options.listen = *listen.lock();
            // Sockets belong to the runtime that serves them.
            let starting = AbortOnDropHandle::new(runtime.spawn(PagesActor::start(options, door, health, args)));
            let made = starting.await??;
            *listen.lock() = made.address;
            Ok(made)
        })
    }
}

impl PagesActor {
    async fn start(
        options: PagesOptions,
        door: Door,
        health: HealthBoard,
        args: StartArgs,
    ) -> Result<Self, StartError> {
        if !options.tls && !options.listen.ip().is_loopback() {
            return Err(GatewayError::PagesInTheOpen { address: options.listen.to_string() }.into());
        }
        let tls = if options.tls {
            let shown = certificate(&options, &door, &args).await?;
            Some(tls::config(shown).map_err(GatewayError::from)?)
        } else {
            None
        };
        let listener = bind(options.listen, options.bind_patience).await?;
        let address = listener
            .local_addr()
            .map_err(|source| GatewayError::Bind { address: options.listen.to_string(), source })?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let url = url(address, options.announce.as_ref(), tls.is_some(), &host);
        let connector: Connector = {
            let (door, buffer) = (door.clone(), options.inside_buffer);
            Arc::new(move || {
                let door = door.clone();
                Box::pin(async move { door.connect(buffer).await })
            })
        };
        let take: Take = {
            let door = door.clone();
            Arc::new(move |request| {
                let door = door.clone();
                Box::pin(async move { door.take(request).await })
            })
        };
        let mut hosts = options.hosts;
        hosts.extend([host, address.ip().to_string()]);
        hosts.extend(options.announce.map(|announced| announced.host().to_owned()));
        let site = Site {
            node_id: options.node_id.to_string(),
            node_name: options.node_name,
            hosts,
            tls: tls.is_some(),
            keeps: options.mode.check_keep().is_ok(),
            readiness: Arc::new(move || readiness(&health)),
            connector,
            take,
            runtime: args.runtime.clone(),
        };
        let doom = args.doom();
        let serving = Serving { listener: listener.into_std()?, tls, ended: Box::new(move |why| doom.fail(why)) };
        let server = WebServer::start(serving, options.web, site)?;
        door.serve_at(&url);
        Ok(Self { address, url, _server: server })
    }
}

impl Child for PagesActor {
    const NAME: &'static str = NAME;

    fn started(&mut self, _cx: &mut Cx<'_, Self>) {
        tracing::info!(url = self.url, "the pages are served");
    }
}

impl Handles<GetPagesUrl> for PagesActor {
    fn handle(&mut self, _: GetPagesUrl, _: &mut Cx<'_, Self>) -> Reply<(SocketAddr, String)> {
        Reply::now((self.address, self.url.clone()))
    }
}

/// What the pages show: the certificate that was given, else the gateway's, which is waited for.
async fn certificate(
    options: &PagesOptions,
    door: &Door,
    args: &StartArgs,
) -> Result<Arc<dyn ResolvesServerCert>, StartError> {
    if let Some((certificate, key)) = options.certificate.clone() {
        let read = args.blocking(1).run(move || crate::tls::own(&certificate, &key)).await;
        let own = read.map_err(GatewayError::from)?.map_err(GatewayError::from)?;
        return Ok(Arc::new(SingleCertAndKey::from(own)));
    }
    if !door.opened(options.certificate_patience).await {
        return Err(GatewayError::NoCertificate.into());
    }
    Ok(Arc::new(AtTheDoor(door.clone())))
}

/// Under which address people reach the pages: the one that is announced, else by the machine's name where they listen on
/// all addresses.
fn url(address: SocketAddr, announced: Option<&Announced>, tls: bool, host: &str) -> String {
    let scheme = if tls { "https" } else { "http" };
    if let Some(announced) = announced {
        return format!("{scheme}://{announced}");
    }
    let host = match address.ip() {
        ip if ip.is_unspecified() => host.to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("{scheme}://{host}:{}", address.port())
}

fn readiness(board: &HealthBoard) -> Readiness {
    let actors = board.snapshot();
    let states = actors.iter().map(|actor| ActorState {
        name: actor.name.to_owned(),
        rank: actor.rank,
        state: state_word(actor).to_owned(),
        incarnation: actor.incarnation,
        restarts: actor.restarts,
    });
    Readiness { ready: is_ready(&actors), actors: states.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_comes_late_does_not_end_the_node() {
        let passes = spec().passes;
        assert!(passes(&GatewayError::NoCertificate));
        assert!(!passes(&GatewayError::PagesInTheOpen { address: "0.0.0.0:4080".to_owned() }));
    }

    #[test]
    fn people_get_an_address_that_leads_there() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(url(at("127.0.0.1:4080"), None, false, "lab-a"), "http://127.0.0.1:4080");
        assert_eq!(url(at("[::1]:4080"), None, true, "lab-a"), "https://[::1]:4080");
        assert_eq!(url(at("0.0.0.0:4080"), None, true, "lab-a"), "https://lab-a:4080");
        let announced = "lab-a.example.org:443".parse().unwrap();
        assert_eq!(url(at("0.0.0.0:4080"), Some(&announced), true, "lab-a"), "https://lab-a.example.org:443");
    }
}
