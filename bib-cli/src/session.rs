//! From flags to a connection: which node, trusted how, logged in with which key.

mod login;

use crate::ask::Ask;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::global::Global;
use crate::layers::Layers;
use crate::look::Look;
use crate::output::{Output, note};
use crate::settings::{Home, Settings, default_data_dir, socket_of};
use bib_proto::client::{Address, Client, ClientError, ClientOptions, Trust};
use std::future::Future;
use std::path::PathBuf;
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
    /// Files and values that cannot be read, where the command goes on without them.
    pub(crate) damage: Vec<CliError>,
}

/// The node that commands go to.
pub(crate) struct Target {
    /// Where it is.
    pub(crate) address: Address,
    /// The key that its context names.
    pub(crate) ssh_key: Option<PathBuf>,
    /// The flag, variable or file that says so; empty where nothing does.
    origin: String,
}

impl Target {
    /// A node, and the key to log in with there.
    #[must_use]
    pub(crate) const fn at(address: Address, ssh_key: Option<PathBuf>) -> Self {
        Self { address, ssh_key, origin: String::new() }
    }

    /// Whether it is on this machine.
    #[must_use]
    pub(crate) const fn is_here(&self) -> bool {
        matches!(self.address, Address::Unix(_))
    }

    fn said_by(self, origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), ..self }
    }
}

impl Env {
    /// Reads what is needed before any command. A command with which settings are mended goes on where they are damaged.
    ///
    /// # Errors
    /// When the program's own files are damaged.
    pub(crate) fn new(global: Global) -> CliResult<Self> {
        let (mut env, own) = Self::for_doctor(global)?;
        env.damage.splice(0..0, own);
        if env.global.goes_on || env.damage.is_empty() { Ok(env) } else { Err(env.damage.swap_remove(0)) }
    }

    /// As [`Env::new`], but always goes on with what can be read, and says apart what is wrong with the user's own file.
    ///
    /// # Errors
    /// When no folder can be told.
    pub(crate) fn for_doctor(mut global: Global) -> CliResult<(Self, Option<CliError>)> {
        let home = Home::find(&global)?;
        let (settings, own) = match home.settings() {
            Ok(settings) => (settings, None),
            Err(error) => (Settings::default(), Some(error)),
        };
        let (layers, mut damage) = Layers::load(&home, &settings);
        damage.extend(layers.fill(&mut global, home.file()));
        Look::new(&global).adopt();
        Ok((Self { out: Output::new(&global)?, global, home, settings, layers, damage }, own))
    }

    /// As a later command finds it that names no node: once `settings` are kept.
    #[must_use]
    pub(crate) fn later(&self, settings: &Settings) -> Self {
        Self {
            global: self.global.naming_no_node(),
            out: self.out.clone(),
            home: self.home.clone(),
            settings: settings.clone(),
            layers: self.layers.with_own(self.home.file(), settings),
            damage: Vec::new(),
        }
    }

    /// Questions to the person at the terminal.
    #[must_use]
    pub(crate) const fn ask(&self) -> Ask {
        Ask { accessible: self.global.accessible }
    }

    /// Folder of the node on this machine.
    #[must_use]
    pub(crate) fn data_dir(&self) -> PathBuf {
        let kept = || self.layers.find(|settings| settings.data_dir.clone()).map(|(folder, _)| folder);
        named_data_dir().or_else(kept).unwrap_or_else(default_data_dir)
    }

    /// The node that commands go to. What the command line says wins over the environment, and that over the files; of
    /// two in the same place, the node wins over the context.
    ///
    /// # Errors
    /// When an address cannot be read, or there is no such context.
    pub(crate) fn target(&self) -> CliResult<Target> {
        let Global { node, context, .. } = &self.global;
        let origin = |key| self.global.origins.get(key).copied().unwrap_or_default();
        if let Some(node) = node.as_ref().filter(|_| self.global.is_flag("node") || !self.global.is_flag("context")) {
            return Ok(self.named(node)?.said_by(origin("node")));
        }
        if let Some(context) = context {
            return Ok(self.in_context(context)?.said_by(origin("context")));
        }
        let pick = |settings: &Settings| match (&settings.node, &settings.context) {
            (Some(node), _) => Some(self.named(node)),
            (None, Some(context)) => Some(self.in_context(context)),
            (None, None) => None,
        };
        let Some((target, path)) = self.layers.find(pick) else { return Ok(self.local()) };
        Ok(target?.said_by(path.display().to_string()))
    }

    /// Where commands go, if they go elsewhere than to `wanted`, or as somebody else; and what says so.
    #[must_use]
    pub(crate) fn goes_elsewhere(&self, wanted: &Target) -> Option<String> {
        match self.target() {
            Ok(target) if target.address == wanted.address && target.ssh_key == wanted.ssh_key => None,
            Ok(Target { address, origin, .. }) if origin.is_empty() => Some(format!("commands go to {address}")),
            Ok(Target { address, origin, .. }) => Some(format!("commands go to {address}, as {origin} says")),
            Err(error) => Some(format!("commands go nowhere: {}", error.message)),
        }
    }

    /// The node on this machine.
    pub(crate) fn local(&self) -> Target {
        let origin = named_data_dir().map_or("", |_| "BIB_DATA_DIR");
        Target::at(Address::Unix(socket_of(&self.data_dir())), None).said_by(origin)
    }

    fn named(&self, node: &str) -> CliResult<Target> {
        if self.layers.context(node).is_some() {
            return self.in_context(node);
        }
        Ok(Target::at(node.parse().map_err(ClientError::from)?, None))
    }

    /// The node of a context.
    ///
    /// # Errors
    /// When there is no such context, or its address cannot be read.
    pub(crate) fn in_context(&self, name: &str) -> CliResult<Target> {
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
        Ok(Target::at(address, context.ssh_key.clone()))
    }

    /// Connects and, over TCP, logs in.
    ///
    /// # Errors
    /// When nobody answers, the wrong node does, or no key is accepted.
    pub(crate) async fn client(&self) -> CliResult<Client> {
        self.client_of(self.target()?).await
    }

    /// As [`Env::client`], for one node.
    ///
    /// # Errors
    /// When nobody answers, the wrong node does, or no key is accepted.
    pub(crate) async fn client_of(&self, target: Target) -> CliResult<Client> {
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

/// The folder of the node on this machine, where the environment names it.
fn named_data_dir() -> Option<PathBuf> {
    std::env::var_os("BIB_DATA_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}
