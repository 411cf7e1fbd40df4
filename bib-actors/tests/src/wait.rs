//! Waiting for a condition with a deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ends every wait and every further step: whoever waits fails, and drops what it started.
pub fn interrupt() {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Whether somebody asked to end.
#[must_use]
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Looks until `condition` holds.
///
/// # Errors
/// When it does not hold within `deadline`; `what` says what was waited for.
pub fn until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
    until_some(what, deadline, || condition().then_some(()))
}

/// Looks until `look` finds something.
///
/// # Errors
/// When it finds nothing within `deadline`; `what` says what was waited for.
pub fn until_some<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let mut stopped = false;
    let found = patiently(what, deadline, || {
        stopped = is_interrupted();
        if stopped { Some(None) } else { look().map(Some) }
    })?;
    found.ok_or_else(|| anyhow::anyhow!("{what}: interrupted"))
}

/// As [`until_some`], but not ended by an interruption: for cleaning up.
#[expect(clippy::disallowed_methods, reason = "this program waits for other processes, it is no actor")]
pub(crate) fn patiently<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= end {
            anyhow::bail!("{what}: not within {deadline:?}");
        }
        std::thread::park_timeout(PAUSE);
    }
}
