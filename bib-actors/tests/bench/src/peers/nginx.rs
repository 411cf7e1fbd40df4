//! nginx that serves a folder, over TLS if asked, as this machine's own configuration is not read.

use super::daemon::{Daemon, listening};
use super::debian;
use bib_node_tests::free_port;
use std::path::Path;
use std::process::Command;

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    _daemon: Daemon,
}

impl Nginx {
    /// Serves `folder` from `place`, where its own files lie.
    pub(crate) fn serve(place: &Path, folder: &Path, tls: bool) -> anyhow::Result<Self> {
        debian("nginx", "nginx-light")?;
        let port = free_port();
        let mut server = format!("listen 127.0.0.1:{port}{};", if tls { " ssl" } else { "" });
        if tls {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
            let (cert, key) = (place.join("cert.pem"), place.join("key.pem"));
            std::fs::write(&cert, made.cert.pem())?;
            std::fs::write(&key, made.signing_key.serialize_pem())?;
            server += &format!(
                "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.3;",
                cert.display(),
                key.display()
            );
        }
        let text = format!(
            "user root; worker_processes 2; daemon off; pid {place}/nginx.pid; error_log {place}/error.log;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off; sendfile on; client_body_temp_path {place}; proxy_temp_path {place};\n\
             fastcgi_temp_path {place}; uwsgi_temp_path {place}; scgi_temp_path {place};\n\
             server {{ {server} root {root}; }} }}\n",
            place = place.display(),
            root = folder.display(),
        );
        let config = place.join("nginx.conf");
        std::fs::write(&config, text)?;
        let daemon = Daemon::start(Command::new("nginx").arg("-p").arg(place).arg("-c").arg(&config))?;
        listening("nginx listens", port)?;
        Ok(Self { port, _daemon: daemon })
    }
}
