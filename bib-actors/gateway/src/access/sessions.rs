//! Sessions that were looked up a moment ago, so that not every call asks the database.

use bib_guardian::SessionRow;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// SHA-256 of a token: what is kept of it.
pub(crate) fn hash_token(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// What was found for a token, and until when it is believed.
struct Found {
    session: Option<SessionRow>,
    until: Instant,
}

/// A bounded cache. What ends a session elsewhere is noticed after its time at the latest.
pub(crate) struct Sessions {
    capacity: usize,
    ttl: Duration,
    found: Mutex<HashMap<[u8; 32], Found>>,
}

impl Sessions {
    /// Remembers at most `capacity` answers, each for `ttl`.
    pub(crate) fn new(capacity: usize, ttl: Duration) -> Self {
        Self { capacity, ttl, found: Mutex::new(HashMap::new()) }
    }

    /// What is remembered: `Some(None)` is a token that the database does not know.
    pub(crate) fn get(&self, now: Instant, token_hash: &[u8; 32]) -> Option<Option<SessionRow>> {
        self.found.lock().get(token_hash).filter(|found| found.until > now).map(|found| found.session.clone())
    }

    /// Remembers an answer of the database. A session that is known to have ended stays ended, whatever a look-up
    /// that began before says.
    pub(crate) fn put(&self, now: Instant, token_hash: [u8; 32], session: Option<SessionRow>) {
        let mut found = self.found.lock();
        if found.get(&token_hash).is_some_and(|known| known.session.is_none() && known.until > now) {
            return;
        }
        if found.len() >= self.capacity {
            found.retain(|_, entry| entry.until > now);
        }
        if found.len() >= self.capacity {
            // Full of fresh entries: tokens that nobody has are the ones to forget.
            found.retain(|_, entry| entry.session.is_some());
        }
        if found.len() < self.capacity {
            found.insert(token_hash, Found { session, until: now + self.ttl });
        }
    }

    /// The session has ended.
    pub(crate) fn end(&self, now: Instant, token_hash: [u8; 32]) {
        self.found.lock().insert(token_hash, Found { session: None, until: now + self.ttl });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_domain::Role;
    use bib_kit::clock;

    fn row(n: u8) -> SessionRow {
        SessionRow {
            token_hash: [n; 32],
            user: "mara".into(),
            role: Role::Reader,
            key_fingerprint: "SHA256:x".into(),
            created_ms: 0,
            expires_ms: 1,
            suspended: false,
        }
    }

    #[test]
    fn answers_are_believed_for_a_while_and_bounded() {
        let now = clock::monotonic();
        let sessions = Sessions::new(3, Duration::from_secs(5));
        sessions.put(now, [1; 32], Some(row(1)));
        assert_eq!(sessions.get(now, &[1; 32]), Some(Some(row(1))));
        assert_eq!(sessions.get(now + Duration::from_secs(5), &[1; 32]), None);
        for n in 10..200 {
            sessions.put(now, [n; 32], None);
        }
        assert!(sessions.found.lock().len() <= 3);
        assert_eq!(sessions.get(now, &[1; 32]), Some(Some(row(1))), "guessed tokens do not push real ones out");
        sessions.end(now, [1; 32]);
        sessions.put(now, [1; 32], Some(row(1)));
        assert_eq!(sessions.get(now, &[1; 32]), Some(None), "a late answer does not bring it back");
    }
}
