//! From flags to a connection: which node, trusted how, logged in with which key.

use crate::ask::Ask;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::global::Global;
use crate::layers::Layers;
use crate::look::Look;
use crate::output::{Output, note};
use crate::settings::{Home, Settings, default_data_dir, socket_of};
use bib_proto::client::{Address, Client, ClientError, ClientOptions, Credential, Session, Trust};
use russh::keys::ssh_key::PrivateKey;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest that a plain call may take where `--timeout` says nothing.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// The context that is always there: the node on this machine.
pub(crate) const LOCAL_CONTEXT: &str = "local";

/// What every command needs: the flags, the output, the program's files.
pub(crate) struct Env {
    /// The global flags.
    pub(crate) global: Global,
    /// Standard output.
    pub(crate) out: Output,
    /// This program's own files.
    pub(crate) home: Home,
    /// What this user's own file remembers.
    pub(crate) settings: Settings,
    /// All files, that one among them.
    pub(crate) layers: Layers,
}

/// The node that commands go to.
pub(crate) struct Target {
    /// Where it is.
    pub(crate) address: Address,
    /// The key that its context names.
    pub(crate) ssh_key: Option<PathBuf>,
}

impl Env {
    /// Reads what is needed before any command.
    ///
    /// # Errors
    /// When the program's own files are damaged.
    pub(crate) fn new(global: Global) -> CliResult<Self> {
        let home = Home::find(&global)?;
        let settings = home.settings()?;
        Self::with(global, home, settings)
    }

    /// As [`Env::new`], but goes on with nothing remembered when the settings are damaged, and says so.
    ///
    /// # Errors
    /// When no folder can be told.
    pub(crate) fn for_doctor(global: Global) -> CliResult<(Self, Option<CliError>)> {
        let home = Home::find(&global)?;
        let (settings, damage) = match home.settings() {
            Ok(settings) => (settings, None),
            Err(error) => (Settings::default(), Some(error)),
        };
        Ok((Self::with(global, home, settings)?, damage))
    }

    fn with(mut global: Global, home: Home, settings: Settings) -> CliResult<Self> {
        let layers = Layers::load(&home, &settings)?;
        layers.fill(&mut global)?;
        Look::new(&global).adopt();
        Ok(Self { out: Output::new(&global)?, global, home, settings, layers })
    }

    /// Questions to the person at the terminal.
    #[must_use]
    pub(crate) const fn ask(&self) -> Ask {
        Ask { accessible: self.global.accessible }
    }

    /// Folder of the node on this machine.
    #[must_use]
    pub(crate) fn data_dir(&self) -> PathBuf {
        let named = std::env::var_os("BIB_DATA_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let kept = || self.layers.find(|settings| settings.data_dir.clone()).map(|(folder, _)| folder);
        named.or_else(kept).unwrap_or_else(default_data_dir)
    }

    /// The node that commands go to. What the command line says wins over the environment, and that over the files; of
    /// two in the same place, the node wins over the context.
    ///
    /// # Errors
    /// When an address cannot be read, or there is no such context.
    pub(crate) fn target(&self) -> CliResult<Target> {
        let Global { node, context, .. } = &self.global;
        if let Some(node) = node.as_ref().filter(|_| self.global.is_flag("node") || !self.global.is_flag("context")) {
            return self.named(node);
        }
        if let Some(context) = context {
            return self.in_context(context);
        }
        let pick = |settings: &Settings| match (&settings.node, &settings.context) {
            (Some(node), _) => Some(self.named(node)),
            (None, Some(context)) => Some(self.in_context(context)),
            (None, None) => None,
        };
        self.layers.find(pick).map_or_else(|| Ok(self.local()), |(target, _)| target)
    }

    /// The node on this machine.
    fn local(&self) -> Target {
        Target { address: Address::Unix(socket_of(&self.data_dir())), ssh_key: None }
    }

    fn named(&self, node: &str) -> CliResult<Target> {
        if self.layers.context(node).is_some() {
            return self.in_context(node);
        }
        Ok(Target { address: node.parse().map_err(ClientError::from)?, ssh_key: None })
    }

    fn in_context(&self, name: &str) -> CliResult<Target> {
        if name == LOCAL_CONTEXT {
            return Ok(self.local());
        }
        let Some(context) = self.layers.context(name) else {
            return Err(CliError::new(Exit::NotFound, format!("there is no context {name:?}"))
                .because("CONTEXT_NOT_FOUND")
                .hint("bib context list")
                .hint(format!("make it: bib connect ADDR --name {name}")));
        };
        let address = context.node.parse().map_err(ClientError::from)?;
        Ok(Target { address, ssh_key: context.ssh_key.clone() })
    }

    /// Connects and, over TCP, logs in.
    ///
    /// # Errors
    /// When nobody answers, the wrong node does, or no key is accepted.
    pub(crate) async fn client(&self) -> CliResult<Client> {
        let target = self.target()?;
        let mut client = self.connect(&target.address, Trust::KnownOnly).await?;
        if matches!(target.address, Address::Tcp { .. }) {
            self.log_in(&mut client, target.ssh_key).await?;
        }
        Ok(client)
    }

    /// Connects without logging in.
    ///
    /// # Errors
    /// When nobody answers, or the wrong node does.
    pub(crate) async fn connect(&self, address: &Address, trust: Trust) -> CliResult<Client> {
        if self.global.verbosity() > 0 {
            note(&format!("node {address}"));
        }
        let mut options = ClientOptions::default();
        if self.global.verbosity() > 1 {
            options.on_call = Some(|service, method| note(&format!("call {service}/{method}")));
        }
        if let Some(limit) = self.global.timeout {
            options.connect_timeout = limit.min(options.connect_timeout);
        }
        Ok(Client::connect(address, &self.home.trust(), trust, options).await?)
    }

    /// Uses the token of the environment, else the kept session while it is good, else logs in and keeps the new one.
    ///
    /// # Errors
    /// When no key is accepted.
    pub(crate) async fn log_in(&self, client: &mut Client, key: Option<PathBuf>) -> CliResult<Session> {
        if let Some(token) = given_token()? {
            let mut session = Session { token, expires_ms: 0, user: String::new(), role: String::new() };
            client.use_session(&session)?;
            let me = self.call(client.auth().who_am_i(bib_proto::v1::WhoAmIRequest {})).await?.into_inner();
            (session.user, session.role, session.expires_ms) = (me.user, me.role, me.expires_ms);
            return Ok(session);
        }
        let path = self.home.session(client.address());
        let soon = crate::now_ms() + 60_000;
        if let Some(kept) = Session::load(&path).filter(|session| session.expires_ms > soon) {
            client.use_session(&kept)?;
            match client.auth().who_am_i(bib_proto::v1::WhoAmIRequest {}).await {
                Ok(_) => return Ok(kept),
                Err(status) if status.code() == tonic::Code::Unauthenticated => {}
                Err(status) => return Err(status.into()),
            }
        }
        let session = client.log_in(&self.credential(key)?).await?;
        session.save(&path).map_err(|error| {
            CliError::new(Exit::Failed, format!("cannot keep the session in {}: {error}", path.display()))
        })?;
        Ok(session)
    }

    /// The key to log in with: the one that was named, else the agent's, else the user's own.
    pub(crate) fn credential(&self, key: Option<PathBuf>) -> CliResult<Credential> {
        let kept = || self.layers.find(|settings| settings.ssh_key.clone()).map(|(path, _)| path);
        let named = self.global.ssh_key.clone().or(key).or_else(kept).map(|path| private_half(&path));
        let agent = std::env::var_os("SSH_AUTH_SOCK").is_some_and(|socket| !socket.is_empty());
        match named.or_else(|| if agent { None } else { own_key() }) {
            Some(path) => Ok(Credential::File { passphrase: self.passphrase(&path)?, path }),
            None => Ok(Credential::Agent),
        }
    }

    /// Asks for the passphrase of a key that has one; nobody is asked where nobody can answer.
    fn passphrase(&self, path: &Path) -> CliResult<Option<String>> {
        let key = std::fs::read_to_string(path).ok().and_then(|text| PrivateKey::from_openssh(text).ok());
        if !self.global.may_ask() || !key.is_some_and(|key| key.is_encrypted()) {
            return Ok(None);
        }
        let question = format!("Passphrase of {}?", path.display());
        self.ask().passphrase(&question, "asked once a session; an agent keeps it: ssh-add").map(Some)
    }

    /// Runs a plain call under `--timeout`.
    ///
    /// # Errors
    /// The call's own, or exit code 124 when it takes too long.
    pub(crate) async fn call<T>(&self, work: impl Future<Output = Result<T, tonic::Status>>) -> CliResult<T> {
        self.within(Some(self.global.timeout.unwrap_or(CALL_TIMEOUT)), async { Ok(work.await?) }).await
    }

    /// Runs long work: without limit unless `--timeout` was given.
    ///
    /// # Errors
    /// The work's own, or exit code 124 when it takes too long.
    pub(crate) async fn long<T>(&self, work: impl Future<Output = CliResult<T>>) -> CliResult<T> {
        self.within(self.global.timeout, work).await
    }

    /// Says how long work took, where much is to be said.
    #[expect(clippy::disallowed_methods, reason = "a call is timed here, in a program without bib-kit")]
    async fn timed<T>(&self, work: impl Future<Output = CliResult<T>>) -> CliResult<T> {
        let started = Instant::now();
        let outcome = work.await;
        if self.global.verbosity() > 1 {
            note(&format!("answered after {}", crate::output::milliseconds(started.elapsed())));
        }
        outcome
    }

    async fn within<T>(&self, limit: Option<Duration>, work: impl Future<Output = CliResult<T>>) -> CliResult<T> {
        let work = self.timed(work);
        let Some(limit) = limit else { return work.await };
        match tokio::time::timeout(limit, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CliError::new(
                Exit::Timeout,
                format!(
                    "no answer within {}; what was asked for may have happened all the same",
                    crate::output::milliseconds(limit)
                ),
            )
            .hint("wait longer: --timeout 5m")),
        }
    }

    /// The id of this request: given, else new.
    ///
    /// # Errors
    /// When the given one is no UUID.
    pub(crate) fn request_id(&self) -> CliResult<String> {
        match &self.global.request_id {
            Some(text) => match text.parse::<bib_domain::RequestId>() {
                Ok(id) => Ok(id.to_string()),
                Err(why) => Err(CliError::usage(format!("--request-id: {why}"))),
            },
            None => Ok(uuid::Uuid::new_v4().to_string()),
        }
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

/// The key that `ssh` would use without an agent.
fn own_key() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("HOME")?).join(".ssh");
    ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|name| folder.join(name)).find(|path| path.is_file())
}
