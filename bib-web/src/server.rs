//! The server and its thread. Dropping [`WebServer`] closes the listener and ends the thread.

use crate::headers;
use crate::readiness::ReadinessFn;
use crate::routes;
use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

/// Bounds of the server.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Worker threads. One is plenty for health checks and a handful of browsers.
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
            workers: 1,
            max_connections: 256,
            backlog: 128,
            request_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct WebServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl WebServer {
    /// Serves on `listener` from a thread of its own.
    ///
    /// # Errors
    /// When the thread or the server cannot be started.
    pub fn start(listener: TcpListener, options: WebOptions, readiness: ReadinessFn) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (send, receive) = mpsc::sync_channel(1);
        std::thread::Builder::new().name("bib-web".into()).spawn(move || {
            let system = actix_web::rt::System::new();
            system.block_on(async move {
                let server = HttpServer::new(move || {
                    let readiness = readiness.clone();
                    App::new().wrap(headers::defaults()).configure(|config| routes::configure(config, readiness))
                })
                .workers(options.workers)
                .max_connections(options.max_connections)
                .backlog(options.backlog)
                .client_request_timeout(options.request_timeout)
                .keep_alive(options.keep_alive)
                .disable_signals()
                .shutdown_timeout(1)
                .listen(listener);
                let server = match server {
                    Ok(server) => server.run(),
                    Err(error) => return drop(send.send(Err(error))),
                };
                if send.send(Ok(server.handle())).is_ok()
                    && let Err(error) = server.await
                {
                    tracing::warn!(%error, "the web server ended with an error");
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
