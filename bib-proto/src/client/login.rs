//! Login with an SSH key, from the agent or from a file. The private key never leaves either.

use super::trust::write_whole;
use super::{Client, ClientError};
use crate::v1::{GetChallengeRequest, LoginRequest};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::{self, HashAlg, LineEnding, PrivateKey, PublicKey, SigningKey, SshSig};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// Which key to log in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// The first key of the SSH agent that the node knows.
    Agent,
    /// The private key in this file.
    File {
        /// Path of the private key in OpenSSH form.
        path: PathBuf,
        /// The passphrase, if the key has one.
        passphrase: Option<String>,
    },
}

/// A session that a node opened: kept in a file with mode 0600.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The bearer token.
    pub token: String,
    /// Unix milliseconds.
    pub expires_ms: i64,
    /// Who the node takes the caller for.
    pub user: String,
    /// With which role.
    pub role: String,
}

impl Session {
    /// Reads a kept session; `None` if there is none or it cannot be read.
    #[must_use]
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Keeps the session, durably and readable by its user alone.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        write_whole(path, &serde_json::to_vec(self)?)
    }
}

/// A key that can sign, wherever it is kept.
pub enum SshKey {
    /// Read from a file.
    File {
        /// Where it was read from.
        path: PathBuf,
        /// The key.
        key: Box<PrivateKey>,
    },
    /// Held by the agent.
    Agent {
        /// Its public half.
        key: Box<PublicKey>,
    },
}

impl SshKey {
    /// How long an agent is waited for where nobody says how long; it may ask a person first.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// The keys that `credential` stands for; an agent may hold several. `patience`: how long an agent is waited for.
    ///
    /// # Errors
    /// [`ClientError::Key`] when there is no agent, no key, or the file cannot be read, or the agent does not answer.
    pub async fn load(credential: &Credential, patience: Duration) -> Result<Vec<Self>, ClientError> {
        match credential {
            Credential::File { path, passphrase } => Ok(vec![Self::from_file(path, passphrase.as_deref())?]),
            Credential::Agent => {
                timeout(patience, Self::of_agent()).await.map_err(|_| agent_error(&silent(patience)))?
            }
        }
    }

    async fn of_agent() -> Result<Vec<Self>, ClientError> {
        let mut agent = connect_agent().await?;
        let held = agent.request_identities().await.map_err(|error| agent_error(&error.to_string()))?;
        let keys: Vec<Self> = held
            .into_iter()
            .filter_map(|identity| match identity {
                AgentIdentity::PublicKey { key, .. } => Some(Self::Agent { key: Box::new(key) }),
                AgentIdentity::Certificate { .. } => None,
            })
            .collect();
        if keys.is_empty() {
            return Err(agent_error("it holds no key; add one with ssh-add"));
        }
        Ok(keys)
    }

    fn from_file(path: &Path, passphrase: Option<&str>) -> Result<Self, ClientError> {
        let refuse = |reason: String| ClientError::Key { key: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| refuse(format!("cannot read it: {error}")))?;
        let key = PrivateKey::from_openssh(&text).map_err(|error| {
            refuse(format!("it is not a private key in OpenSSH form ({error}); make one with ssh-keygen -t ed25519"))
        })?;
        let key = match (key.is_encrypted(), passphrase) {
            (false, _) => key,
            (true, Some(words)) => key.decrypt(words).map_err(|_| refuse("the passphrase is wrong".to_owned()))?,
            (true, None) => {
                return Err(refuse(
                    "it has a passphrase, and nobody can be asked for it here; add the key to the agent with ssh-add"
                        .to_owned(),
                ));
            }
        };
        Ok(Self::File { path: path.to_owned(), key: Box::new(key) })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        match self {
            Self::File { key, .. } => key.public_key(),
            Self::Agent { key } => key,
        }
    }

    /// Signs `message`; answers the algorithm's name and the signature as the SSH protocol encodes both.
    ///
    /// # Errors
    /// [`ClientError::Key`] when the key or the agent refuses.
    pub async fn sign(&self, message: &[u8]) -> Result<(String, Vec<u8>), ClientError> {
        let refuse = |reason: String| ClientError::Key { key: self.name(), reason };
        let signature = match self {
            Self::File { key, .. } => sign_with(key.as_ref(), message).map_err(&refuse)?,
            Self::Agent { key } => {
                let mut agent = connect_agent().await?;
                let hash = key.algorithm().is_rsa().then_some(HashAlg::Sha512);
                agent.sign_request_signature(key, hash, message).await.map_err(|error| refuse(error.to_string()))?
            }
        };
        let encoded = Vec::<u8>::try_from(signature.clone()).map_err(|error| refuse(error.to_string()))?;
        Ok((signature.algorithm().as_str().to_owned(), encoded))
    }

    /// Signs `message` for one purpose, as `ssh-keygen -Y sign -n NAMESPACE` does; answers the armored signature.
    ///
    /// # Errors
    /// [`ClientError::Key`] when the key or the agent refuses.
    pub async fn sign_armored(&self, namespace: &str, message: &[u8]) -> Result<String, ClientError> {
        let refuse = |error: ssh_key::Error| ClientError::Key { key: self.name(), reason: error.to_string() };
        let hash = HashAlg::Sha512;
        let data = SshSig::signed_data(namespace, hash, message).map_err(refuse)?;
        let (_, blob) = self.sign(&data).await?;
        let signature = ssh_key::Signature::try_from(blob.as_slice()).map_err(refuse)?;
        let whole = SshSig::new(self.public().key_data().clone(), namespace, hash, signature).map_err(refuse)?;
        whole.to_pem(LineEnding::LF).map_err(refuse)
    }

    fn name(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Agent { key } => format!("ssh-agent key {}", key.fingerprint(HashAlg::Sha256)),
        }
    }
}

fn sign_with(key: &impl SigningKey, message: &[u8]) -> Result<ssh_key::Signature, String> {
    key.try_sign(message).map_err(|error| error.to_string())
}

async fn connect_agent() -> Result<AgentClient<tokio::net::UnixStream>, ClientError> {
    if std::env::var_os("SSH_AUTH_SOCK").is_none_or(|socket| socket.is_empty()) {
        return Err(agent_error("no agent runs here, SSH_AUTH_SOCK is not set"));
    }
    AgentClient::connect_env().await.map_err(|error| agent_error(&format!("it does not answer: {error}")))
}

/// What is said of an agent that took a question and gave no answer.
fn silent(patience: Duration) -> String {
    format!("it did not answer within {:.1} s", patience.as_secs_f64())
}

fn agent_error(reason: &str) -> ClientError {
    ClientError::Key { key: "ssh-agent".to_owned(), reason: reason.to_owned() }
}

impl Client {
    /// Tries each key in turn; the first that the node knows opens a session, which is used from now on. `None`: none
    /// does. Each that does not is put into `refused`: its name, and what was said. `patience`: how long an agent is waited
    /// for; after each time in vain only half as long, so that all of them take less than twice that.
    ///
    /// # Errors
    /// What is not about a key: the next one would meet it too.
    pub async fn try_keys(
        &mut self,
        keys: &[SshKey],
        patience: Duration,
        refused: &mut Vec<(String, ClientError)>,
    ) -> Result<Option<Session>, ClientError> {
        let opened = first_of(self, keys, patience, refused).await?;
        if let Some(session) = &opened {
            self.use_session(session)?;
        }
        Ok(opened)
    }
}

async fn first_of(
    client: &Client,
    keys: &[SshKey],
    mut patience: Duration,
    refused: &mut Vec<(String, ClientError)>,
) -> Result<Option<Session>, ClientError> {
    for key in keys {
        match log_in_with(client, key, &mut patience).await {
            Ok(session) => return Ok(Some(session)),
            Err(error) if is_about_the_key(&error) => refused.push((key.name(), error)),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether another key may do better: the node does not know this one or takes none of its kind, or it does not sign.
fn is_about_the_key(error: &ClientError) -> bool {
    matches!(error, ClientError::Key { .. })
        || error.code() == Some(tonic::Code::Unauthenticated)
        || error.reason() == Some("KEY_NOT_ACCEPTED")
}

/// Tries the keys that `credential` stands for. If none opens a session, what the node said says more than what a key did.
pub(super) async fn log_in(client: &Client, credential: &Credential) -> Result<Session, ClientError> {
    let mut refused = Vec::new();
    let keys = SshKey::load(credential, SshKey::PATIENCE).await?;
    if let Some(session) = first_of(client, &keys, SshKey::PATIENCE, &mut refused).await? {
        return Ok(session);
    }
    let first = refused.into_iter().min_by_key(|(_, error)| error.code() != Some(tonic::Code::Unauthenticated));
    Err(first.map_or_else(|| agent_error("no key was tried"), |(_, error)| error))
}

async fn log_in_with(client: &Client, key: &SshKey, patience: &mut Duration) -> Result<Session, ClientError> {
    let public_key = key.public().to_openssh().map_err(|error| agent_error(&error.to_string()))?;
    let mut auth = client.auth();
    let challenge = auth.get_challenge(GetChallengeRequest { public_key: public_key.clone() }).await?.into_inner();
    let message = crate::login_message(&challenge.node_id, &challenge.nonce);
    let (algorithm, signature) = soon(patience, key.name(), key.sign(&message)).await?;
    let request = LoginRequest { public_key, nonce: challenge.nonce, signature, algorithm };
    let opened = auth.login(request).await?.into_inner();
    Ok(Session { token: opened.token, expires_ms: opened.expires_ms, user: opened.user, role: opened.role })
}

/// Waits for a signature while there is patience, and has half of it left after waiting in vain.
async fn soon<T>(
    patience: &mut Duration,
    key: String,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let Ok(outcome) = timeout(*patience, work).await else {
        let reason = silent(*patience);
        *patience /= 2;
        return Err(ClientError::Key { key, reason });
    };
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::{Code, Status};
    use tonic_types::{ErrorDetails, StatusExt};

    #[test]
    fn the_next_key_is_tried_where_this_one_is_the_trouble() {
        let said = |code, reason: &str| {
            let details = ErrorDetails::with_error_info(reason, "bib.dev", std::collections::HashMap::new());
            ClientError::from(Status::with_error_details(code, "no", details))
        };
        assert!(is_about_the_key(&said(Code::Unauthenticated, "KEY_UNKNOWN")));
        assert!(is_about_the_key(&said(Code::InvalidArgument, "KEY_NOT_ACCEPTED")));
        assert!(is_about_the_key(&agent_error("the person declined")));
        assert!(!is_about_the_key(&said(Code::ResourceExhausted, "TOO_MANY_FAILED_LOGINS")));
        assert!(!is_about_the_key(&said(Code::InvalidArgument, "BAD_NONCE")));
        assert!(!is_about_the_key(&ClientError::from(Status::unavailable("gone"))));
    }

    #[tokio::test]
    async fn an_agent_that_does_not_sign_leaves_time_for_other_keys() {
        let mut patience = Duration::from_millis(40);
        for _ in 0..10 {
            let silent = soon(&mut patience, "k".into(), std::future::pending::<Result<(), _>>()).await.unwrap_err();
            assert!(is_about_the_key(&silent), "{silent}");
        }
        let said = soon(&mut patience, "k".into(), async { Ok(7) }).await;
        assert_eq!(said.unwrap(), 7);
    }
}
