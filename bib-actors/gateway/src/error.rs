//! What keeps the gateway from starting or from answering about itself.

use bib_kit::AskError;
use std::path::PathBuf;

/// An error of the gateway as an actor. Errors of calls are [`crate::Problem`]s.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The gateway could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A listener could not be bound.
    #[error(
        "cannot listen on {address}: {source}; stop what listens there or choose another address in the configuration"
    )]
    Bind {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The pages would be served in the clear where others can reach them.
    #[error(
        "the pages are not served on {address} without TLS, since a session could be read on the way; set web.tls = true, or listen on 127.0.0.1 and reach them through an SSH tunnel"
    )]
    PagesInTheOpen {
        /// Where.
        address: String,
    },
    /// The gateway has made no certificate.
    #[error("the gateway has no certificate yet, so the pages cannot be served over TLS; they are tried again")]
    NoCertificate,
    /// A key from the configuration cannot be used.
    #[error("the key of user {name:?} in the configuration cannot be used: {reason}")]
    BootstrapKey {
        /// Whose key.
        name: String,
        /// Why.
        reason: String,
    },
    /// A blocking part of the start did not finish.
    #[error("the start was interrupted: {0}; it is tried again")]
    Interrupted(#[from] bib_kit::BlockingError),
}

/// What can be wrong with the certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; bibd needs it to prove which node this is", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; bibd keeps its certificates there", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others can read a key.
    #[error("{} can be read by other users (mode {mode:o}), so the key may be known; if it is not, run: chmod 600 {}", path.display(), path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// One file of a pair is missing.
    #[error(
        "{} is there but {} is not; restore it from a backup, or remove both: bibd then makes a new authority and every client asks its user to accept the new fingerprint",
        present.display(), missing.display()
    )]
    Half {
        /// The file that is there.
        present: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },
    /// A file does not hold what it should.
    #[error("{} cannot be used: {detail}; restore it from a backup, or remove the folder: bibd then makes a new authority and every client asks its user to accept the new fingerprint", path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A certificate that somebody else signed, or its key, cannot be used.
    #[error("{} cannot be used for the pages: {detail}; web.certificate and web.key name PEM files of a certificate and of its key, without them the pages show the node's own", path.display())]
    Own {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The TLS library refused the configuration.
    #[error("TLS cannot be configured: {0}")]
    Config(#[from] rustls::Error),
}

impl From<rcgen::InvalidAsn1String> for TlsError {
    fn from(error: rcgen::InvalidAsn1String) -> Self {
        Self::Make(rcgen::Error::InvalidAsn1String(error))
    }
}
