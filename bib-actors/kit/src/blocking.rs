//! Calls that block a thread: files, hashing, databases without an async face.
//!
//! They run on the runtime's blocking threads, so many at a time as the pool allows. A call that has begun cannot be
//! ended from outside; a pool made by `StartArgs::blocking` makes the end of its incarnation wait for it.

use crate::panics;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;

/// Why a blocking call gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// The call panicked.
    #[error("a blocking call panicked: {text}; what it worked on may be half done, check it before it is used")]
    Panicked {
        /// The text of the panic.
        text: String,
    },
    /// The runtime shuts down.
    #[error("the node is shutting down, the blocking call was not made; start the node and try again")]
    ShuttingDown,
}

/// How many blocking calls run at a time, and where.
#[derive(Clone)]
pub struct BlockingPool {
    runtime: Handle,
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
}

impl BlockingPool {
    /// A pool of `limit` calls at a time on this runtime's blocking threads.
    #[must_use]
    pub fn new(runtime: Handle, limit: usize) -> Self {
        Self::tracked(runtime, limit, TaskTracker::new())
    }

    pub(crate) fn tracked(runtime: Handle, limit: usize, tracker: TaskTracker) -> Self {
        Self { runtime, permits: Arc::new(Semaphore::new(limit)), tracker }
    }

    /// How many further calls would run at once.
    #[must_use]
    pub fn free(&self) -> usize {
        self.permits.available_permits()
    }

    /// Makes the call when a place is free. The same as [`run`].
    ///
    /// # Errors
    /// If the call panics or the runtime shuts down.
    pub async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Result<T, BlockingError> {
        run(self, call).await
    }
}

/// Makes the call when a place is free. Waits in order of asking. Dropping the future takes back a call that has not
/// begun; one that has begun runs to its end and keeps its place until then.
///
/// # Errors
/// If the call panics or the runtime shuts down.
pub async fn run<T: Send + 'static>(
    pool: &BlockingPool,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T, BlockingError> {
    let permit = Arc::clone(&pool.permits).acquire_owned().await.map_err(|_| BlockingError::ShuttingDown)?;
    let tracked = pool.tracker.token();
    let handle = pool.runtime.spawn_blocking(move || {
        let _held = (permit, tracked);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
            .map_err(|payload| BlockingError::Panicked { text: panics::text(payload.as_ref()) })
    });
    let _take_back = TakeBack(handle.abort_handle());
    handle.await.map_err(|_| BlockingError::ShuttingDown)?
}

/// Takes a call back that has not begun when nobody waits for it any more.
struct TakeBack(AbortHandle);

impl Drop for TakeBack {
    fn drop(&mut self) {
        self.0.abort();
    }
}
