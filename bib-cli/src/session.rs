//! From flags to a connection: which node, trusted how, logged in with which key.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::global::Global;
use crate::output::{Output, note};
use crate::settings::{Home, Settings, default_data_dir, socket_of};
use bib_proto::client::{Address, Client, ClientError, ClientOptions, Credential, Session, Trust};
use russh::keys::ssh_key::PrivateKey;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest that a plain call may take where `--timeout` says nothing.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What every command needs: the flags, the output, the program's files.
pub(crate) struct Env {
    /// The global flags.
    pub(crate) global: Global,
    /// Standard output.
    pub(crate) out: Output,
    /// This program's own files.
    pub(crate) home: Home,
    /// What was remembered.
    pub(crate) settings: Settings,
}

impl Env {
    /// Reads what is needed before any command.
    ///
    /// # Errors
    /// When the program's own files are damaged.
    pub(crate) fn new(global: Global) -> CliResult<Self> {
        let home = Home::find(&global)?;
        let settings = home.settings()?;
        Ok(Self { out: Output::new(&global), global, home, settings })
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
        Ok((Self { out: Output::new(&global), global, home, settings }, damage))
    }

    /// The node that commands go to: flag, then `bib connect`, then the socket on this machine.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub(crate) fn address(&self) -> CliResult<Address> {
        if let Some(text) = self.global.node.as_ref().or(self.settings.node.as_ref()) {
            return Ok(text.parse().map_err(ClientError::from)?);
        }
        let data_dir = self.settings.data_dir.clone().unwrap_or_else(default_data_dir);
        Ok(Address::Unix(socket_of(&data_dir)))
    }

    /// Connects and, over TCP, logs in.
    ///
    /// # Errors
    /// When nobody answers, the wrong node does, or no key is accepted.
    pub(crate) async fn client(&self) -> CliResult<Client> {
        let address = self.address()?;
        let mut client = self.connect(&address, Trust::KnownOnly).await?;
        if matches!(address, Address::Tcp { .. }) {
            self.log_in(&mut client).await?;
        }
        Ok(client)
    }

    /// Connects without logging in.
    ///
    /// # Errors
    /// When nobody answers, or the wrong node does.
    pub(crate) async fn connect(&self, address: &Address, trust: Trust) -> CliResult<Client> {
        if self.global.verbose > 0 {
            note(&format!("node {address}"));
        }
        let mut options = ClientOptions::default();
        if self.global.verbose > 1 {
            options.on_call = Some(|service, method| note(&format!("call {service}/{method}")));
        }
        if let Some(limit) = self.global.timeout {
            options.connect_timeout = limit.min(options.connect_timeout);
        }
        Ok(Client::connect(address, &self.home.trust(), trust, options).await?)
    }

    /// Uses the kept session while it is good, else logs in and keeps the new one.
    ///
    /// # Errors
    /// When no key is accepted.
    pub(crate) async fn log_in(&self, client: &mut Client) -> CliResult<Session> {
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
        let session = client.log_in(&self.credential()?).await?;
        session.save(&path).map_err(|error| {
            CliError::new(Exit::Failed, format!("cannot keep the session in {}: {error}", path.display()))
        })?;
        Ok(session)
    }

    /// The key to log in with: the one that was named, else the agent's, else the user's own.
    pub(crate) fn credential(&self) -> CliResult<Credential> {
        let named = self.global.ssh_key.as_ref().or(self.settings.ssh_key.as_ref()).map(|path| private_half(path));
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
        let asked = inquire::Password::new(&format!("Passphrase of {}?", path.display()))
            .without_confirmation()
            .with_help_message("asked once a session; an agent keeps it: ssh-add")
            .prompt();
        asked.map(Some).map_err(|_| CliError::new(Exit::Cancelled, "no passphrase was given, so nobody was logged in"))
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
        if self.global.verbose > 1 {
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

/// The private key's file, where the public one was named.
fn private_half(path: &Path) -> PathBuf {
    if path.extension().is_some_and(|ext| ext == "pub") { path.with_extension("") } else { path.to_owned() }
}

/// The key that `ssh` would use without an agent.
fn own_key() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("HOME")?).join(".ssh");
    ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|name| folder.join(name)).find(|path| path.is_file())
}
