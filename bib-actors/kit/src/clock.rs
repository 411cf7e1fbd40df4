//! The one place that reads the clocks and throws the dice.
//!
//! The monotonic clock follows tokio's, so that it and timers never disagree.

use bib_domain::RequestId;
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970, by the wall clock. Zero if the clock is set before 1970.
#[must_use]
pub fn unix_ns() -> u64 {
    u64::try_from(since_epoch().as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970, by the wall clock.
#[must_use]
pub fn unix_ms() -> i64 {
    i64::try_from(since_epoch().as_millis()).unwrap_or(i64::MAX)
}

/// A point on the clock that never goes back; compare it with another one by [`since`].
#[must_use]
pub fn monotonic() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time that has passed since a point taken by [`monotonic`].
#[must_use]
pub fn since(earlier: Instant) -> Duration {
    monotonic().saturating_duration_since(earlier)
}

/// Milliseconds since this was first asked: for waits that must not follow the wall clock.
#[must_use]
pub fn uptime_ms() -> u64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(since(*BEGUN.get_or_init(monotonic)).as_millis()).unwrap_or(u64::MAX)
}

/// The anchor of [`passed_ms`]: a moment on both clocks.
static ANCHOR: Mutex<Option<(Instant, i64)>> = Mutex::new(None);

/// Milliseconds since 1970 for the deadlines of sessions and invitations: the wall clock, but never behind what the
/// steady clock says has passed since the process began. So a clock that is set back gives nothing more time.
#[must_use]
pub fn deadline_ms() -> i64 {
    passed_ms().max(unix_ms())
}

/// Milliseconds since 1970 that have passed for certain: from where the wall clock stood when the process began, or from
/// what [`has_passed`] told, by the steady clock. Whatever happens to the wall clock later does not change it.
#[must_use]
pub fn passed_ms() -> i64 {
    let (begun, at) = *ANCHOR.lock().get_or_insert_with(|| (monotonic(), unix_ms()));
    at.saturating_add(i64::try_from(since(begun).as_millis()).unwrap_or(i64::MAX))
}

/// Tells [`deadline_ms`] of a moment that has passed for certain, such as the time of the last durable record: a clock
/// that was set back while the process did not run gives nothing more time either.
pub fn has_passed(unix_ms: i64) {
    if deadline_ms() < unix_ms {
        *ANCHOR.lock() = Some((monotonic(), unix_ms));
    }
}

/// A random number from 0 up to 1, for jitter; not for secrets.
#[must_use]
pub fn dice() -> f64 {
    rand::random::<f64>()
}

/// A new request id: a UUID of version 7, so that ids sort by time. Unique and not secret: the thread's own generator
/// gives the random part, which asks the system for randomness now and then and not for each id.
#[must_use]
pub fn new_request_id() -> RequestId {
    let ms = u64::try_from(unix_ms()).unwrap_or(0);
    RequestId::from_bytes(uuid::Builder::from_unix_timestamp_millis(ms, &rand::random()).into_uuid().into_bytes())
}

/// An id for an ask that has none of its own: unique in this process, cheap, not sorted by time.
pub(crate) fn quick_request_id() -> RequestId {
    static FIRST: OnceLock<[u8; 8]> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(FIRST.get_or_init(rand::random));
    bytes[8..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    RequestId::from_bytes(bytes)
}

#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else uses")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
