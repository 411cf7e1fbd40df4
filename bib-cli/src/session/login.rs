//! Logging in: a token that was given, a session that was kept, or the keys there are, one after the other.

use super::{CALL_TIMEOUT, Env};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use bib_proto::client::{Client, ClientError, Credential, Session, SshKey};
use bib_proto::v1::WhoAmIRequest;
use russh::keys::ssh_key::{HashAlg, PrivateKey};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

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
        let (mut refused, mut left) = (Vec::new(), self.time_for_login());
        for place in places(self.named_key(key)) {
            match self.load(&place, None, &mut left).await? {
                Ok(keys) => return Ok(keys),
                Err(error) => refused.push((name_of(&place), error)),
            }
        }
        Err(none_of(refused))
    }

    /// Signs a text, in the time of a login: an agent may wait for somebody who is not there.
    pub(crate) async fn sign_armored(&self, key: &SshKey, namespace: &str, text: &[u8]) -> CliResult<String> {
        let signing = async { Ok(key.sign_armored(namespace, text).await?) };
        self.within(Some(self.time_for_login()), signing).await
    }

    /// The key that is named: by a flag or a variable, by the context, or by the settings.
    fn named_key(&self, of_context: Option<PathBuf>) -> Option<PathBuf> {
        let kept = || self.layers.find(|settings| settings.ssh_key.clone()).map(|(path, _)| path);
        self.global.ssh_key.clone().or(of_context).or_else(kept).map(|path| private_half(&path))
    }

    /// How long a login may take, without the time in which a passphrase is typed.
    fn time_for_login(&self) -> Duration {
        self.global.timeout.unwrap_or(CALL_TIMEOUT)
    }

    /// Tries the named key alone, else every key of the agent and then the user's own. An agent has a third of the time
    /// that is left, so that what comes after one that does not answer is tried, too.
    async fn open_session(&self, client: &mut Client, named: Option<PathBuf>) -> CliResult<Session> {
        let (mut refused, mut seen) = (Vec::new(), BTreeSet::new());
        let mut left = self.time_for_login();
        let places = places(named);
        for (at, place) in places.iter().enumerate() {
            // what nothing comes after has the time of those for its second and third try
            let share = if at + 1 == places.len() { 2 } else { 3 };
            let mut keys = match self.load(place, Some(&seen), &mut left).await? {
                Ok(keys) => keys,
                Err(error) => {
                    refused.push((name_of(place), error));
                    continue;
                }
            };
            keys.retain(|key| !seen.contains(&fingerprint(key)));
            let before = refused.len();
            // an agent that does not sign has half as long for each further key: a third of the time stays for others
            let (limit, patience) = (left, left / share);
            let work = async { Ok(client.try_keys(&keys, patience, &mut refused).await?) };
            match spend(&mut left, self.within(Some(limit), work)).await {
                Ok(Some(session)) => return Ok(session),
                Ok(None) => seen.extend(decided(&keys, &refused[before..])),
                Err(error) => return Err(ended(error, &refused)),
            }
        }
        Err(none_of(refused))
    }

    /// The keys of a place, or what is wrong there; none where they are among those that were `seen`, so that nobody is
    /// asked for the passphrase of a key that opens nothing.
    async fn load(
        &self,
        place: &Place,
        seen: Option<&BTreeSet<String>>,
        left: &mut Duration,
    ) -> CliResult<Result<Vec<SshKey>, ClientError>> {
        let patience = *left / 3;
        let credential = match place {
            Place::Agent => return Ok(spend(left, SshKey::load(&Credential::Agent, patience)).await),
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
        Ok(SshKey::load(&credential, patience).await)
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

fn fingerprint(key: &SshKey) -> String {
    key.public().fingerprint(HashAlg::Sha256).to_string()
}

/// The keys of which the node has said no. One that did not sign may do so from another place: an agent and a file often
/// have the same.
fn decided(keys: &[SshKey], refused: &[(String, ClientError)]) -> impl Iterator<Item = String> {
    let answered = |error: &ClientError| !matches!(error, ClientError::Key { .. });
    keys.iter().zip(refused).filter(move |(_, (_, error))| answered(error)).map(|(key, _)| fingerprint(key))
}

/// Does the work, and takes its time off what is left.
#[expect(clippy::disallowed_methods, reason = "a login is timed here, in a program without bib-kit")]
async fn spend<T>(left: &mut Duration, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let done = work.await;
    *left = left.saturating_sub(started.elapsed());
    done
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
    let (count, tried) = (refused.len(), lines_of(&refused));
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
    if count > 1 {
        error.message = format!("none of the keys that were tried opens a session\n{tried}");
        error.exit = Exit::NotLoggedIn;
        if error.hints.is_empty() {
            error.hints.push("name a key that the node knows: --ssh-key FILE".to_owned());
        }
    }
    error
}

/// What ended the login before every key was tried. A node takes no more of them from an address after many that it does
/// not know, such as all those of an agent.
fn ended(mut error: CliError, refused: &[(String, ClientError)]) -> CliError {
    if error.reason != "TOO_MANY_FAILED_LOGINS" {
        return error;
    }
    if !refused.is_empty() {
        error.message = format!("{}; keys that were tried:\n{}", error.message, lines_of(refused));
    }
    error.hint("name that key, so that no other one is tried: --ssh-key FILE")
}

fn lines_of(refused: &[(String, ClientError)]) -> String {
    let lines: Vec<String> = refused.iter().map(|(name, error)| format!("  {name}: {}", why(error))).collect();
    lines.join("\n")
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
    fn a_key_that_did_not_sign_is_tried_from_another_place() {
        let keys = [1, 2].map(|_| {
            let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519).unwrap();
            SshKey::File { path: "k".into(), key: Box::new(key) }
        });
        let stranger = ClientError::from(tonic::Status::unauthenticated("this node knows nobody with that key"));
        let done: Vec<String> = decided(&keys, &[unusable("a"), ("b".to_owned(), stranger)]).collect();
        assert_eq!(done, [fingerprint(&keys[1])]);
    }

    #[test]
    fn a_node_that_takes_no_more_keys_is_told_one_alone() {
        let often = || CliError::new(Exit::Exhausted, "too many").because("TOO_MANY_FAILED_LOGINS").hint("wait");
        let error = ended(often(), &[unusable("a"), unusable("b")]);
        assert_eq!(error.message.lines().last(), Some("  b: it does not answer"));
        assert!(error.hints.len() == 2 && error.hints[1].ends_with("--ssh-key FILE"), "{error:?}");
        assert_eq!(ended(often(), &[]).message, "too many");
        assert_eq!(ended(CliError::usage("no"), &[unusable("a")]).message, "no");
    }

    #[test]
    fn a_named_key_is_the_only_one() {
        assert_eq!(places(Some("k".into())), [Place::File("k".into())]);
        assert_eq!(private_half(Path::new("/k/ada.pub")), Path::new("/k/ada"));
        assert!(!places(None).is_empty());
    }
}
