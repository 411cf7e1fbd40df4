//! The server and its threads. Dropping [`WebServer`] closes the listener and ends the threads.

use crate::guard;
use crate::headers;
use crate::pages;
use crate::routes;
use crate::site::{Site, Web};
use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

/// Bounds of the server.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Worker threads: pages wait for the API most of the time, so a few serve many browsers.
    pub workers: usize,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// How long a client may take to send its request line and headers.
    pub request_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
}

impl Default for WebOptions {
    fn default() -> Self {
        Self {
            workers: 2,
            max_connections: 256,
            backlog: 128,
            request_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(15),
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
                let web = web::Data::new(Web::new(site));
                let server = HttpServer::new(move || app(web.clone()))
                    .workers(options.workers)
                    .max_connections(options.max_connections)
                    .backlog(options.backlog)
                    .client_request_timeout(options.request_timeout)
                    .keep_alive(options.keep_alive)
                    .disable_signals()
                    .shutdown_timeout(1);
                let server = match serving.tls {
                    Some(tls) => server.listen_rustls_0_23(serving.listener, tls),
                    None => server.listen(serving.listener),
                };
                let server = match server {
                    Ok(server) => server.run(),
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
        .app_data(web)
        .configure(|config| routes::configure(config, readiness))
        .configure(pages::configure)
        .default_service(actix_web::web::to(pages::nothing_here))
}
