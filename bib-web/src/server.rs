//! The server and its threads. Dropping [`WebServer`] closes the listener and ends the threads.

use crate::guard;
use crate::headers;
use crate::pages;
use crate::routes;
use crate::site::{Site, Web};
use crate::stream::{Bounded, Bounds, Place, Places, answering};
use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bounds of the server.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Worker threads: pages wait for the API most of the time, so a few serve many browsers.
    pub workers: usize,
    /// Connections at the same time, of all workers. When there are more, the address that has most of those without a
    /// session gives up its oldest.
    pub max_connections: usize,
    /// Connections of one address at the same time. Further ones are closed. This machine's own addresses are not
    /// counted: whoever is on it has other ways to be in the way.
    pub per_address: usize,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long a client may take to send the line and the headers of its first request.
    pub request_timeout: Duration,
    /// How long a client may take to send any whole request, with its form.
    pub receive_timeout: Duration,
    /// How long a client may take nothing of an answer: a download that somebody pauses ends after that.
    pub send_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// Bytes of the line and the headers of a request. Cookies of other servers of the same host are among them. Who sends
    /// more is told so.
    pub head_bytes: usize,
    /// Bytes that are taken from a client whose request is being answered. Browsers send none; who sends more waits.
    pub read_ahead: usize,
    /// Bytes of tables kept as they were rendered, for whoever is given the same rows again; 0 keeps none.
    pub fragment_bytes: usize,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            workers: 2,
            max_connections: 256,
            per_address: 64,
            backlog: 128,
            handshake_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(5),
            receive_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(120),
            keep_alive: Duration::from_secs(15),
            head_bytes: 32 << 10,
            read_ahead: 4 << 10,
            fragment_bytes: 8 << 20,
        }
    }
}

impl WebOptions {
    const fn bounds(&self) -> Bounds {
        Bounds {
            head: self.head_bytes,
            // one byte more than the largest form is enough to see that it is too large
            request: self.head_bytes + guard::FORM_MAX + self.read_ahead,
            ahead: self.read_ahead,
            receive: self.receive_timeout,
            send: self.send_timeout,
            linger: LINGER,
        }
    }
}

/// Where and how to serve.
pub struct Serving {
    /// The listener.
    pub listener: TcpListener,
    /// TLS, where it is served over TLS.
    pub tls: Option<rustls::ServerConfig>,
    /// Told why, when the server ends by itself.
    pub ended: Box<dyn FnOnce(String) + Send>,
}

/// A running server.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl WebServer {
    /// Serves from threads of its own.
    ///
    /// # Errors
    /// When the threads or the server cannot be started.
    pub fn start(serving: Serving, options: WebOptions, site: Site) -> io::Result<Self> {
        serving.listener.set_nonblocking(true)?;
        let address = serving.listener.local_addr()?;
        let (send, receive) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("bib-web".into()).spawn(move || {
            let system = actix_web::rt::System::new();
            system.block_on(async move {
                let web = web::Data::new(Web::new(site, options.fragment_bytes));
                let server = listen(serving.listener, serving.tls, &options, &web);
                let server = match server {
                    Ok(server) => server,
                    Err(error) => return drop(send.send(Err(error))),
                };
                if send.send(Ok(server.handle())).is_ok() {
                    let outcome = server.await;
                    (serving.ended)(format!("the web server ended: {outcome:?}"));
                }
            });
            tracing::debug!("the web server's thread ends");
        })?;
        let handle =
            receive.recv().map_err(|_| io::Error::other("the web server's thread ended before it served"))??;
        Ok(Self { address, handle })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // The command is sent by the call; its future would only wait for the end, which a drop must not.
        drop(self.handle.stop(false));
    }
}

/// How long a client that is told to go may take to go, so that it reads the answer before the connection is gone.
const LINGER: Duration = Duration::from_secs(1);
/// The name of the listener in the server's own log.
const NAME: &str = "pages";

/// The server, on either kind of listener.
fn listen(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    options: &WebOptions,
    web: &web::Data<Web>,
) -> io::Result<Server> {
    let builder = Server::build()
        .workers(options.workers)
        // those that gave their places up are still there for a moment
        .max_concurrent_connections((2 * options.max_connections).div_ceil(options.workers).max(1))
        .backlog(options.backlog)
        .disable_signals()
        .shutdown_timeout(1);
    let (options, web, places) =
        (options.clone(), web.clone(), Places::new(options.max_connections, options.per_address));
    let builder = match tls {
        None => builder.listen(NAME, listener, move || {
            let places = places.clone();
            fn_service(move |stream: TcpStream| {
                let guest = Guest::of(&stream, &places);
                async move { Ok::<_, DispatchError>((guest?, stream)) }
            })
            .and_then(http(&options, web.clone()))
        })?,
        Some(mut tls) => {
            // HTTP/2 is not spoken: its streams, headers and resets have no bounds that could be set here
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            let acceptor = TlsAcceptor::from(Arc::new(tls));
            builder.listen(NAME, listener, move || {
                let (acceptor, places, limit) = (acceptor.clone(), places.clone(), options.handshake_timeout);
                fn_service(move |stream: TcpStream| {
                    let guest = Guest::of(&stream, &places);
                    let acceptor = acceptor.clone();
                    async move {
                        let guest = guest?;
                        let tls = shake_hands(acceptor, limit, stream, &guest.place).await?;
                        Ok((guest, tls))
                    }
                })
                .and_then(http(&options, web.clone()))
            })?
        }
    };
    Ok(builder.run())
}

/// Who is at the other end of a connection.
struct Guest {
    peer: Option<SocketAddr>,
    place: Option<Place>,
}

impl Guest {
    /// Takes a place for a new connection.
    fn of(stream: &TcpStream, places: &Places) -> Result<Self, DispatchError> {
        // answers are whole when they are written: nothing is gained by waiting for more
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "nodelay is not set");
        }
        let peer = stream.peer_addr()?;
        let place = places.enter(peer.ip()).ok_or_else(|| {
            let address = peer.ip();
            tracing::debug!(%address, "there is no place for a further connection of it to the pages, so it is closed");
            DispatchError::Io(io::ErrorKind::ConnectionRefused.into())
        })?;
        Ok(Self { peer: Some(peer), place: Some(place) })
    }
}

async fn shake_hands(
    acceptor: TlsAcceptor,
    limit: Duration,
    stream: TcpStream,
    place: &Option<Place>,
) -> Result<TlsStream<TcpStream>, DispatchError> {
    let given_up = async {
        match place {
            Some(place) => place.leave().cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        shaken = tokio::time::timeout(limit, acceptor.accept(stream)) => match shaken {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(DispatchError::Io(error)),
            Err(_) => Err(DispatchError::Io(io::ErrorKind::TimedOut.into())),
        },
        () = given_up => Err(DispatchError::Io(io::ErrorKind::ConnectionAborted.into())),
    }
}

/// What serves one connection, bounded.
fn http<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    options: &WebOptions,
    web: web::Data<Web>,
) -> impl ServiceFactory<(Guest, S), Config = (), Response = (), Error = DispatchError, InitError = ()> + use<S> {
    let bounds = options.bounds();
    let app = app(web).into_factory().map_err(|error: actix_web::Error| error.error_response());
    let http = HttpService::build()
        .client_request_timeout(options.request_timeout)
        .client_disconnect_timeout(LINGER)
        .keep_alive(options.keep_alive)
        // a browser that has gone is let go at once, with its stream of events, not at the next sign of life
        .h1_allow_half_closed(false)
        .on_connect_ext(|stream: &Bounded<S>, data| drop(data.insert(stream.turn())))
        .h1(map_config(app, |()| AppConfig::default()));
    fn_service(
        move |(guest, stream): (Guest, S)| async move { Ok((Bounded::new(stream, guest.place, bounds), guest.peer)) },
    )
    .and_then(http)
}

/// Everything that is served. The guard stands before every route, the headers are on every answer.
fn app(
    web: web::Data<Web>,
) -> App<
    impl actix_web::dev::ServiceFactory<
        actix_web::dev::ServiceRequest,
        Config = (),
        Response = actix_web::dev::ServiceResponse<impl actix_web::body::MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let readiness = web.site.readiness.clone();
    App::new()
        .wrap(from_fn(guard::guard))
        .wrap(headers::defaults())
        .wrap(from_fn(answering))
        .app_data(web)
        .configure(|config| routes::configure(config, readiness))
        .configure(pages::configure)
        .default_service(actix_web::web::to(pages::nothing_here))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readiness::Readiness;
    use actix_service::Service;
    use std::io::{Read, Write};
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::timeout;

    fn site() -> Site {
        Site {
            node_id: "12D3KooWQNV9yRv3yvVjYWVPUmA4SvpQN1iDjZDVJnDVzZ1eDFGw".into(),
            node_name: "lab-a".into(),
            hosts: Vec::new(),
            tls: false,
            keeps: true,
            readiness: Arc::new(|| Readiness { ready: true, actors: Vec::new() }),
            connector: Arc::new(|| Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })),
            take: Arc::new(|_| Box::pin(async { tonic::Status::unavailable("away").into_http() })),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// How many bytes are taken from a client that reads nothing.
    async fn taken(request: &str) -> usize {
        let (mut client, server) = duplex(4096);
        let service = http(&WebOptions::default(), web::Data::new(Web::new(site(), 0))).new_service(()).await.unwrap();
        let served = actix_web::rt::spawn(service.call((Guest { peer: None, place: None }, server)));
        let many = request.repeat(100);
        let mut sent = 0;
        while let Ok(written) = timeout(Duration::from_millis(500), client.write(many.as_bytes())).await {
            sent += written.unwrap();
            assert!(sent < 8 << 20, "there is no end to what it takes");
        }
        served.abort();
        sent
    }

    /// The first line of what the pages answer on a new connection.
    fn ask(address: SocketAddr) -> io::Result<String> {
        let mut stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    #[actix_web::test]
    async fn who_says_nothing_keeps_nobody_waiting() {
        let hour = Duration::from_secs(3600);
        let options = WebOptions {
            max_connections: 8,
            request_timeout: hour,
            receive_timeout: hour,
            keep_alive: hour,
            ..Default::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let serving = Serving { listener, tls: None, ended: Box::new(|_| ()) };
        let server = WebServer::start(serving, options, site()).unwrap();
        let address = server.address();
        let asked = actix_web::rt::task::spawn_blocking(move || {
            let connect = |_| std::net::TcpStream::connect(address).unwrap();
            let mut silent: Vec<_> = (0..40).map(connect).collect();
            let answers: Vec<_> = (0..20).map(|_| ask(address).unwrap()).collect();
            // the oldest were let go, and see it
            silent[0].set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            (answers, silent[0].read(&mut [0; 1]).is_ok_and(|read| read == 0))
        });
        let (answers, first_was_let_go) = asked.await.unwrap();
        assert!(answers.iter().all(|line| line == "HTTP/1.1 200 OK"), "{answers:?}");
        assert!(first_was_let_go);
    }

    #[actix_web::test]
    async fn who_asks_on_and_does_not_listen_is_not_listened_to() {
        for request in [
            "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET /nothing/here HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        ] {
            let sent = taken(request).await;
            assert!(sent < 64 << 10, "{request:?}: {sent} bytes");
        }
    }
}
