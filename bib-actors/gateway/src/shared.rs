//! What the services of one incarnation share. All of it is cache or handle: nothing here must outlive a restart.

use crate::access::{Challenges, OneTimeTokens, Rates, Sessions};
use crate::deps::GatewayDeps;
use crate::events::Hub;
use crate::journal::Journal;
use crate::listen::{Origin, Passing};
use crate::options::GatewayOptions;
use crate::services::{DatasetLocks, Etags, PeerFetch};
use bib_kit::{BlockingPool, CancellationToken, StartArgs, Tasks, clock};
use bib_query::QueryEngine;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// The state of one incarnation.
pub(crate) struct Shared {
    pub(crate) options: GatewayOptions,
    pub(crate) deps: GatewayDeps,
    pub(crate) engine: QueryEngine,
    /// Names of answers that clients may still have.
    pub(crate) etags: Etags,
    pub(crate) journal: Arc<Journal>,
    pub(crate) challenges: Challenges,
    /// Challenges that are signed by hand.
    pub(crate) sign_ins: Challenges,
    pub(crate) one_time: OneTimeTokens,
    pub(crate) events: Arc<Hub>,
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) failures: Rates,
    pub(crate) sessions: Sessions,
    /// Keys that open nothing, whatever the catalogue says: what the configuration says of them could not be written.
    pub(crate) barred: HashSet<String>,
    pub(crate) locks: DatasetLocks,
    /// Tasks of calls: streams and late records.
    pub(crate) tasks: Arc<Tasks>,
    /// Reads and detection.
    pub(crate) reads: BlockingPool,
    /// One place for each upload that writes.
    pub(crate) writes: BlockingPool,
    pub(crate) uploads: Arc<Semaphore>,
    /// Files that local programs passed for their uploads.
    pub(crate) passing: Arc<Passing>,
    pub(crate) downloads: Arc<Semaphore>,
    pub(crate) verifications: Arc<Semaphore>,
    pub(crate) queries: Arc<Semaphore>,
    /// Cancelled when the incarnation ends.
    pub(crate) token: CancellationToken,
    /// SHA-256 of the certificate authority's certificate.
    pub(crate) tls_fingerprint: [u8; 32],
    uid: u32,
    owner: String,
}

impl Shared {
    pub(crate) fn new(
        options: GatewayOptions,
        deps: GatewayDeps,
        args: &StartArgs,
        tls_fingerprint: [u8; 32],
        etags: Etags,
        barred: HashSet<String>,
    ) -> Arc<Self> {
        let (sessions, transfers) = (&options.sessions, &options.transfers);
        // A panic in the task of one call must not end the others' calls: these tasks only log it.
        let tasks = Arc::new(Tasks::new(args.runtime.clone(), options.calls.tasks));
        let places = |count: usize| Arc::new(Semaphore::new(count));
        Arc::new(Self {
            engine: QueryEngine::fetching(
                deps.chunks.clone(),
                options.query.clone(),
                Arc::new(PeerFetch(deps.replicator.clone())),
            ),
            etags,
            journal: Journal::new(deps.audit.clone(), sessions, Arc::clone(&tasks)),
            challenges: Challenges::new(sessions.challenges, sessions.challenges_per_address, sessions.challenge_ttl),
            sign_ins: Challenges::new(sessions.challenges, sessions.challenges_per_address, sessions.sign_in_ttl),
            one_time: OneTimeTokens::new(sessions.one_time_tokens, sessions.one_time_ttl),
            events: Hub::new(transfers.event_ring, clock::unix_ms()),
            watchers: places(transfers.event_streams),
            failures: Rates::new(sessions.failures, sessions.failure_window, sessions.addresses),
            sessions: Sessions::new(sessions.cache_capacity, sessions.cache_ttl),
            barred,
            locks: DatasetLocks::default(),
            tasks,
            // Not waited for: reading harms nobody, and hashing a large version takes longer than a restart may.
            reads: BlockingPool::new(args.runtime.clone(), transfers.blocking_reads),
            writes: args.blocking(transfers.uploads),
            uploads: places(transfers.uploads),
            passing: Arc::default(),
            downloads: places(transfers.downloads),
            verifications: places(transfers.verifications),
            queries: places(transfers.queries),
            token: args.token.clone(),
            tls_fingerprint,
            uid: rustix::process::geteuid().as_raw(),
            owner: user_name(rustix::process::geteuid().as_raw()),
            options,
            deps,
        })
    }

    /// Who is at the other end of the Unix socket, if it is an owner of this node: the user that runs bibd, or root.
    pub(crate) fn owner(&self, origin: Origin) -> Option<&str> {
        match origin {
            Origin::Local { uid } if uid == self.uid => Some(&self.owner),
            Origin::Local { uid: 0 } => Some("root"),
            _ => None,
        }
    }
}

/// The name of a user of this machine, or the number if it has none. Looked up once: it may ask a directory server.
fn user_name(uid: u32) -> String {
    match nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        _ => uid.to_string(),
    }
}
