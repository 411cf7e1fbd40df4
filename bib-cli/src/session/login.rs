//! Logging in: a token that was given, a session that was kept, or the keys there are, one after the other.

use super::{CALL_TIMEOUT, Env};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use bib_proto::client::{Client, ClientError, Credential, Session, SshKey};
use bib_proto::v1::WhoAmIRequest;
use russh::keys::ssh_key::{HashAlg, PrivateKey};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where keys may be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The SSH agent.
    Agent,
    /// A private key's file.
    File(PathBuf),
}

impl Env {
    /// Uses the token of the environment, else the kept session while it is good, else logs in and keeps the new one.
    /// `key`: the one that the context names.
    ///
    /// # Errors
    /// When no key is accepted.
    pub(crate) async fn log_in(&self, client: &mut Client, key: Option<PathBuf>) -> CliResult<Session> {
        // a flag wins over a variable: who names a key now wants to be that one
        let token = if self.global.is_flag("ssh_key") { None } else { given_token()? };
        if let Some(token) = token {
            let mut session = Session { token, expires_ms: 0, user: String::new(), role: String::new() };
            client.use_session(&session)?;
            let me = self.call(client.auth().who_am_i(WhoAmIRequest {})).await?.into_inner();
            (session.user, session.role, session.expires_ms) = (me.user, me.role, me.expires_ms);
            return Ok(session);
        }
        let named = self.named_key(key);
        let path = self.home.session(client.address(), named.as_deref());
        let soon = crate::now_ms() + 60_000;
        let kept = Session::load(&path).filter(|session| session.expires_ms > soon);
        if let Some(kept) = kept.filter(|kept| client.use_session(kept).is_ok()) {
            match self.call(client.auth().who_am_i(WhoAmIRequest {})).await {
                Ok(_) => return Ok(kept),
                Err(error) if error.exit == Exit::NotLoggedIn => {}
                Err(error) => return Err(error),
            }
        }
        let session = self.open_session(client, named).await?;
        session.save(&path).map_err(|error| {
            CliError::new(Exit::Failed, format!("cannot keep the session in {}: {error}", path.display()))
        })?;
        Ok(session)
    }

    /// The first keys that there are, of the first place that has any.
    ///
    /// # Errors
    /// When there are none: what is wrong with each place.
    pub(crate) async fn keys(&self, key: Option<PathBuf>) -> CliResult<Vec<SshKey>> {
        let mut refused = Vec::new();
        for place in places(self.named_key(key)) {
            match self.load(&place, None).await? {
                Ok(keys) => return Ok(keys),
                Err(error) => refused.push((name_of(&place), error)),
            }
        }
        Err(none_of(refused))
    }

    /// The key that is named: by a flag or a variable, by the context, or by the settings.
    fn named_key(&self, of_context: Option<PathBuf>) -> Option<PathBuf> {
        let kept = || self.layers.find(|settings| settings.ssh_key.clone()).map(|(path, _)| path);
        self.global.ssh_key.clone().or(of_context).or_else(kept).map(|path| private_half(&path))
    }

    /// Tries the named key alone, else every key of the agent and then the user's own.
    async fn open_session(&self, client: &mut Client, named: Option<PathBuf>) -> CliResult<Session> {
        let (mut refused, mut seen) = (Vec::new(), BTreeSet::new());
        for place in places(named) {
            let mut keys = match self.load(&place, Some(&seen)).await? {
                Ok(keys) => keys,
                Err(error) => {
                    refused.push((name_of(&place), error));
                    continue;
                }
            };
            keys.retain(|key| seen.insert(key.public().fingerprint(HashAlg::Sha256).to_string()));
            let limit = self.global.timeout.unwrap_or(CALL_TIMEOUT);
            let tried = self.within(Some(limit), async { Ok(client.try_keys(&keys, &mut refused).await?) }).await?;
            if let Some(session) = tried {
                return Ok(session);
            }
        }
        Err(none_of(refused))
    }

    /// The keys of a place, or what is wrong there; none where they are among those that were `seen`, so that nobody is
    /// asked for the passphrase of a key that the agent had.
    async fn load(
        &self,
        place: &Place,
        seen: Option<&BTreeSet<String>>,
    ) -> CliResult<Result<Vec<SshKey>, ClientError>> {
        let credential = match place {
            Place::Agent => Credential::Agent,
            Place::File(path) => {
                let key = std::fs::read_to_string(path).ok().and_then(|text| PrivateKey::from_openssh(text).ok());
                let known = |key: &PrivateKey| {
                    seen.is_some_and(|seen| seen.contains(&key.fingerprint(HashAlg::Sha256).to_string()))
                };
                if key.as_ref().is_some_and(known) {
                    return Ok(Ok(Vec::new()));
                }
                let passphrase = self.passphrase(path, key.is_some_and(|key| key.is_encrypted()))?;
                Credential::File { path: path.clone(), passphrase }
            }
        };
        let limit = self.global.timeout.unwrap_or(CALL_TIMEOUT);
        self.within(Some(limit), async { Ok(SshKey::load(&credential).await) }).await
    }

    /// Asks for the passphrase of a key that has one; nobody is asked where nobody can answer.
    fn passphrase(&self, path: &Path, is_encrypted: bool) -> CliResult<Option<String>> {
        if !is_encrypted || !self.global.may_ask() {
            return Ok(None);
        }
        let question = format!("Passphrase of {}?", path.display());
        self.ask().passphrase(&question, "asked once a session; an agent keeps it: ssh-add").map(Some)
    }
}

/// A session's token from `BIB_TOKEN` or the file of `BIB_TOKEN_FILE`, for programs that hold no key.
fn given_token() -> CliResult<Option<String>> {
    let var = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    if let Some(token) = var("BIB_TOKEN") {
        return Ok(Some(token.trim().to_owned()));
    }
    let Some(path) = var("BIB_TOKEN_FILE") else { return Ok(None) };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| CliError::usage(format!("BIB_TOKEN_FILE: cannot read {path}: {error}")))?;
    Ok(Some(text.trim().to_owned()))
}

/// The private key's file, where the public one was named.
fn private_half(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|ext| ext == "pub") { path.with_extension("") } else { path.to_owned() }
}

/// The places to look at, in their order: the named key alone, else the agent and the keys that `ssh` would use.
fn places(named: Option<PathBuf>) -> Vec<Place> {
    if let Some(path) = named {
        return vec![Place::File(path)];
    }
    let agent = std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty());
    let mut places: Vec<Place> = agent.then_some(Place::Agent).into_iter().collect();
    if let Some(home) = std::env::var_os("HOME") {
        let folder = PathBuf::from(home).join(".ssh");
        let own = ["id_ed25519", "id_ecdsa", "id_rsa"].map(|name| folder.join(name));
        places.extend(own.into_iter().filter(|path| path.is_file()).map(Place::File));
    }
    if places.is_empty() {
        // says that there is none
        places.push(Place::Agent);
    }
    places
}

fn name_of(place: &Place) -> String {
    match place {
        Place::Agent => "ssh-agent".to_owned(),
        Place::File(path) => path.display().to_string(),
    }
}

/// No key opened a session: the error of the one that was tried, or one that names them all. What the node said comes
/// before what a key did.
fn none_of(mut refused: Vec<(String, ClientError)>) -> CliError {
    let lines: Vec<String> = refused.iter().map(|(name, error)| format!("  {name}: {}", why(error))).collect();
    refused.sort_by_key(|(_, error)| match error.code() {
        Some(tonic::Code::Unauthenticated) => 0,
        None => 1,
        Some(_) => 2,
    });
    let Some((_, first)) = refused.into_iter().next() else {
        return CliError::new(Exit::NotLoggedIn, "there is no key to log in with")
            .because("KEY_UNUSABLE")
            .hint("ssh-keygen -t ed25519");
    };
    let mut error = CliError::from(first);
    if lines.len() > 1 {
        error.message = format!("none of the keys that were tried opens a session\n{}", lines.join("\n"));
        error.exit = Exit::NotLoggedIn;
        if error.hints.is_empty() {
            error.hints.push("name a key that the node knows: --ssh-key FILE".to_owned());
        }
    }
    error
}

fn why(error: &ClientError) -> String {
    match error {
        ClientError::Key { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unusable(key: &str) -> (String, ClientError) {
        (key.to_owned(), ClientError::Key { key: key.to_owned(), reason: "it does not answer".to_owned() })
    }

    #[test]
    fn every_key_that_was_tried_is_named() {
        let one = none_of(vec![unusable("ssh-agent")]);
        assert_eq!((one.exit, one.reason.as_str()), (Exit::NotLoggedIn, "KEY_UNUSABLE"));
        assert!(one.message.contains("cannot log in with ssh-agent"), "{one}");
        let kind = ClientError::from(tonic::Status::invalid_argument("keys of type sk-x are not accepted"));
        let stranger = ClientError::from(tonic::Status::unauthenticated("this node knows nobody with the key b"));
        let refused = vec![unusable("a"), ("k".to_owned(), kind), ("b".to_owned(), stranger)];
        let all = none_of(refused);
        assert_eq!((all.exit, &*all.grpc_code), (Exit::NotLoggedIn, "UNAUTHENTICATED"));
        let lines: Vec<&str> = all.message.lines().skip(1).collect();
        assert_eq!(lines[0], "  a: it does not answer");
        assert_eq!(lines[1], "  k: keys of type sk-x are not accepted");
        assert_eq!(lines[2], "  b: this node knows nobody with the key b");
        assert_eq!(none_of(Vec::new()).exit, Exit::NotLoggedIn);
    }

    #[test]
    fn a_named_key_is_the_only_one() {
        assert_eq!(places(Some("k".into())), [Place::File("k".into())]);
        assert_eq!(private_half(Path::new("/k/ada.pub")), Path::new("/k/ada"));
        assert!(!places(None).is_empty());
    }
}
