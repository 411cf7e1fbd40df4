//! The time that has passed for certain, kept in a small file beside the log.
//!
//! The times in records follow the wall clock, also back. A ticket or a session must not live longer for that, not even
//! when the node starts anew, so a start takes the deadlines' clock up from here. It is no evidence: without it, or when
//! it cannot be read, the last record's time has to do. Neither is believed where it is far ahead of the clock.

use crate::error::AuditError;
use crate::storage::AuditFs;
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "BIB-PASSED/1";
/// A clock that was ahead by more was simply wrong: no ticket and no session, ended ones that are still kept included,
/// goes back so far.
const FORGIVEN_MS: i64 = 90 * 24 * 3600 * 1000;

fn path(dir: &Path) -> PathBuf {
    dir.join("passed")
}

/// Whether a time that was written down can be true at `now_ms`.
pub(crate) fn is_credible(passed_ms: i64, now_ms: i64) -> bool {
    passed_ms.saturating_sub(now_ms) <= FORGIVEN_MS
}

/// The time in milliseconds since 1970 that had passed when it was written down, if that can be true at `now_ms`.
pub(crate) fn load(dir: &Path, now_ms: i64) -> Option<i64> {
    let path = path(dir);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the time that had passed is not known");
            return None;
        }
    };
    let passed = parse(&text);
    if passed.is_none() {
        tracing::warn!(path = %path.display(), "the time that had passed cannot be read");
    }
    passed.filter(|passed| is_credible(*passed, now_ms))
}

fn parse(text: &str) -> Option<i64> {
    text.strip_prefix(FIRST_LINE)?.strip_prefix("\nunix_ms ")?.strip_suffix('\n')?.parse().ok()
}

/// Writes it down.
pub(crate) fn store(fs: &dyn AuditFs, dir: &Path, passed_ms: i64) -> Result<(), AuditError> {
    let (path, temp) = (path(dir), dir.join("passed.tmp"));
    let write = || {
        let mut file = fs.create(&temp)?;
        file.write_at(0, format!("{FIRST_LINE}\nunix_ms {passed_ms}\n").as_bytes())?;
        file.sync()?;
        fs.rename(&temp, &path)
    };
    write().map_err(|error| AuditError::io("writing", &path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DiskFs;

    #[test]
    fn it_is_read_as_written_and_a_clock_that_was_far_ahead_is_forgiven() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path(), 5), None);
        store(&DiskFs, dir.path(), 1_700_000_000_123).unwrap();
        for now_ms in [i64::MAX, 1_700_000_000_124, 1_700_000_000_123 - FORGIVEN_MS] {
            assert_eq!(load(dir.path(), now_ms), Some(1_700_000_000_123), "{now_ms}");
        }
        assert_eq!(load(dir.path(), 1_700_000_000_122 - FORGIVEN_MS), None);
        for bad in
            ["", "BIB-PASSED/1\n", "BIB-PASSED/1\nunix_ms 5", "BIB-PASSED/1\nunix_ms x\n", "BIB-PASSED/2\nunix_ms 5\n"]
        {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
