//! What the tests are made of: a whole node, people with keys, and files.

mod disk;
mod files;
mod keys;
mod node;
pub(crate) mod web;
mod wire;

pub(crate) use files::{Item, download, download_so_far, replicated, send, upload, upload_parts};
pub(crate) use keys::{Person, ecdsa, ed25519, rsa, sign, weak_rsa};
pub(crate) use node::{AUDIT_SCAN, Node, Storage};
pub(crate) use wire::{Raw, tls_config};

use bib_proto::client::ClientError;
use std::future::Future;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Far more than any test needs: what takes longer hangs.
const TEST_LIMIT: Duration = Duration::from_secs(240);
/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test with actors on this thread and sockets on two others.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
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

/// The code and reason of a status.
pub(crate) fn said(status: &Status) -> (Code, String) {
    let details = status.get_error_details();
    (status.code(), details.error_info().map(|info| info.reason.clone()).unwrap_or_default())
}

/// The code and reason of a client's error.
pub(crate) fn refusal(error: &ClientError) -> (Code, String) {
    match error {
        ClientError::Status { status, .. } => said(status),
        other => panic!("not a status: {other}"),
    }
}

/// The next action of a status, as people see it.
pub(crate) fn hint(status: &Status) -> String {
    status.get_error_details().localized_message().map(|text| text.message.clone()).unwrap_or_default()
}
