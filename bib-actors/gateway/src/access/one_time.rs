//! One-time tokens: each opens one session, for whoever made it, within a short time. Only hashes are kept.

use super::caller::Identity;
use super::sessions::hash_token;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

struct Bound {
    identity: Identity,
    expires: Instant,
}

/// The tokens of this incarnation; a restart forgets them, and people ask again.
pub(crate) struct OneTimeTokens {
    capacity: usize,
    ttl: Duration,
    bound: Mutex<HashMap<[u8; 32], Bound>>,
}

impl OneTimeTokens {
    /// At most `capacity` tokens, each good for `ttl`.
    pub(crate) fn new(capacity: usize, ttl: Duration) -> Self {
        Self { capacity, ttl, bound: Mutex::new(HashMap::new()) }
    }

    /// Remembers a token, which must be random; false when there are too many.
    pub(crate) fn put(&self, now: Instant, token: &str, identity: Identity) -> bool {
        let mut bound = self.bound.lock();
        bound.retain(|_, entry| entry.expires > now);
        if bound.len() >= self.capacity {
            return false;
        }
        bound.insert(hash_token(token.as_bytes()), Bound { identity, expires: now + self.ttl });
        true
    }

    /// Uses a token up: who made it, if it was made here, in time and not used yet.
    pub(crate) fn take(&self, now: Instant, token: &str) -> Option<Identity> {
        let entry = self.bound.lock().remove(&hash_token(token.as_bytes()))?;
        (entry.expires > now).then_some(entry.identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_kit::clock;

    fn local() -> Identity {
        Identity::Local { user: "local:mara".to_owned() }
    }

    #[test]
    fn a_token_is_good_once_and_in_time() {
        let now = clock::monotonic();
        let tokens = OneTimeTokens::new(4, Duration::from_secs(60));
        assert!(tokens.put(now, "a", local()) && tokens.put(now, "b", local()));
        assert_eq!(tokens.take(now, "c"), None, "made up");
        assert_eq!(tokens.take(now, "a"), Some(local()));
        assert_eq!(tokens.take(now, "a"), None, "used");
        assert_eq!(tokens.take(now + Duration::from_secs(60), "b"), None, "late");
    }

    #[test]
    fn the_table_is_bounded_and_empties_itself() {
        let now = clock::monotonic();
        let tokens = OneTimeTokens::new(2, Duration::from_secs(60));
        assert!(tokens.put(now, "a", local()) && tokens.put(now, "b", local()));
        assert!(!tokens.put(now, "c", local()));
        assert!(tokens.put(now + Duration::from_secs(61), "d", local()));
        assert_eq!(tokens.bound.lock().len(), 1);
    }
}
