//! The typed client: connect, trust, log in, retry.

mod address;
mod connect;
mod entries;
mod error;
mod login;
mod passing;
mod tls;
mod trust;
mod wire;

pub use address::{Address, AddressError, DEFAULT_PORT};
pub use connect::{Bearer, Client, ClientOptions, Stub};
pub use error::{ClientError, ErrorDetails};
pub use login::{Credential, Session, SshKey};
pub use passing::{FilePasser, Hangup};
pub use tls::Fingerprint;
pub use trust::{Trust, TrustError, TrustStore};
pub use wire::{Take, Wire};
