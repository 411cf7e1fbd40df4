//! What the tests are made of: whole nodes, peers that speak the protocol as they please, and data.

mod data;
mod fake;
mod library;
mod node;

pub(crate) use data::{Version, bytes, manifest as keep, store_wide, version, wide};
pub(crate) use fake::Fake;
pub(crate) use library::Manner;
pub(crate) use node::{Node, Storage};

use bib_domain::{OpContext, Role, Who};
use bib_kit::clock;
use std::future::Future;
use std::time::Duration;

/// Far more than any test needs: what takes longer hangs.
const TEST_LIMIT: Duration = Duration::from_secs(240);
/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test with actors on this thread and sockets on two others.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let _ =
        tracing_subscriber::fmt().with_env_filter("bib_replicator=debug,bib_swarm=info").with_test_writer().try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async { tokio::time::timeout(TEST_LIMIT, test).await.unwrap() })
}

/// Waits until a condition is true.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// What a person asks for.
pub(crate) fn op() -> OpContext {
    OpContext {
        request_id: clock::new_request_id(),
        who: Who::User("ada".to_owned()),
        role: Role::Admin,
        session_hash: None,
        component: "test",
    }
}
