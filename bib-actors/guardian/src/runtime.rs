//! How a PostgreSQL is brought up and down. The database above it knows nothing else of where its server runs.

use crate::credentials::Credentials;
use crate::error::GuardianError;
use async_trait::async_trait;
use std::path::PathBuf;
use std::time::Duration;

/// A way to run a PostgreSQL that belongs to this node alone.
#[async_trait]
pub(crate) trait Runtime: Send + Sync {
    /// The word used in configuration and status.
    fn name(&self) -> &'static str;
    /// The server's version, for people.
    fn version(&self) -> &str;
    /// Where the server's logs are, for error messages.
    fn logs(&self) -> String;
    /// Makes what the server needs before it can run, its data directory included.
    async fn prepare(&self, credentials: &Credentials) -> Result<(), GuardianError>;
    /// Adopts the running server or starts one, waits until it takes connections, and says where its socket is.
    async fn ensure(&self) -> Result<PathBuf, GuardianError>;
    /// Settings that a server must have to be this node's; one that was started otherwise is started anew.
    fn settings(&self) -> Vec<(&'static str, String)>;
    /// Gives the superuser the password that the node knows, while no server runs.
    async fn reset_superuser(&self, credentials: &Credentials) -> Result<(), GuardianError>;
    /// Whether the server that was ensured is there; if not, what to say of it.
    fn check_alive(&self) -> Result<(), String>;
    /// Stops the server, if it runs.
    async fn stop(&self, deadline: Duration) -> Result<(), GuardianError>;
}
