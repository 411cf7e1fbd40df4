//! A server of a test's own.

use super::PgDatabase;
use crate::credentials::Credentials;
use crate::options::{GuardianOptions, SealKey};
use crate::process::{ProcessRuntime, Server};
use bib_domain::NodeMode;
use bib_kit::BlockingPool;
use futures::FutureExt;
use std::os::unix::fs::PermissionsExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// Runs a test on a new database, with options of its own, and stops the server whatever comes of it.
pub(super) async fn on_a_server(
    alter: impl FnOnce(&mut GuardianOptions),
    test: impl AsyncFnOnce(Arc<PgDatabase>, Credentials),
) {
    let dir = tempfile::Builder::new().prefix("bib-m-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let mut options = GuardianOptions::new(dir.path().to_owned(), NodeMode::Full, SealKey::new([1; 32]), [0; 32]);
    alter(&mut options);
    let pool = BlockingPool::new(tokio::runtime::Handle::current(), 4);
    let server = Server::look(&options).unwrap();
    let runtime = Box::new(ProcessRuntime::new(server, options.clone(), pool.clone()));
    let tried = AssertUnwindSafe(async {
        let database = PgDatabase::open(runtime, &options, &pool, 1).await.unwrap();
        let credentials = Credentials::load_or_create(&dir.path().join("secrets"), &options.seal_key).unwrap();
        test(Arc::new(database), credentials).await;
    });
    let tried = tried.catch_unwind().await;
    crate::actor::shut_down(&options).await.unwrap();
    if let Err(panic) = tried {
        std::panic::resume_unwind(panic);
    }
}
