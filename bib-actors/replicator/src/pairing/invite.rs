//! Making a ticket. Its secret is derived, shown once in the ticket, and kept only as a hash.

use super::{reachable, secret_hash};
use crate::error::ReplicatorError;
use crate::options::InviteKey;
use crate::shared::Shared;
use bib_domain::ticket::Ticket;
use bib_domain::{OpContext, RequestId};
use bib_kit::clock;
use hkdf::Hkdf;
use sha2::Sha256;
use std::collections::VecDeque;
use std::fmt;
use std::sync::PoisonError;
use std::time::Duration;

/// How long a ticket is good when nobody says.
const DEFAULT_TTL: Duration = Duration::from_secs(24 * 3600);

/// A ticket that was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// The string to paste on the other machine. It holds a secret.
    pub ticket: String,
    /// Until when it is good, in Unix milliseconds.
    pub expires_ms: i64,
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").field("expires_ms", &self.expires_ms).finish_non_exhaustive()
    }
}

/// The tickets made last, by the request that asked for each.
#[derive(Debug)]
pub(crate) struct RecentInvites {
    limit: usize,
    made: VecDeque<(RequestId, Invite)>,
}

impl RecentInvites {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, made: VecDeque::new() }
    }

    fn get(&self, request: &RequestId) -> Option<Invite> {
        self.made.iter().find(|(id, _)| id == request).map(|(_, invite)| invite.clone())
    }

    fn keep(&mut self, request: RequestId, invite: Invite) {
        if self.made.len() >= self.limit {
            self.made.pop_front();
        }
        self.made.push_back((request, invite));
    }
}

/// Makes a ticket that is good for `ttl`; a day if that is zero.
pub(crate) async fn create(shared: &Shared, op: &OpContext, ttl: Duration) -> Result<Invite, ReplicatorError> {
    let recent = || shared.invites.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(invite) = recent().get(&op.request_id) {
        return Ok(invite);
    }
    let ttl = if ttl.is_zero() { DEFAULT_TTL } else { ttl };
    let max = shared.options.invite_ttl_max;
    if ttl > max {
        return Err(ReplicatorError::BadLifetime { asked: ttl, max });
    }
    let addresses = reachable(&shared.swarm.listen_addrs().await?);
    if addresses.is_empty() {
        return Err(ReplicatorError::NotListening);
    }
    let secret = derive_secret(&shared.options.invite_key, op.request_id);
    let expires_ms = clock::deadline_ms().saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
    shared.guardian.create_invite(op, secret_hash(&secret), expires_ms).await?;
    let ticket = Ticket::new(shared.options.node_id.clone(), addresses, secret, expires_ms).encode();
    let invite = Invite { ticket, expires_ms };
    recent().keep(op.request_id, invite.clone());
    Ok(invite)
}

fn derive_secret(key: &InviteKey, request: RequestId) -> [u8; 32] {
    let mut secret = [0; 32];
    let derived = Hkdf::<Sha256>::new(Some(b"bib/invite/v1"), key.bytes()).expand(request.as_bytes(), &mut secret);
    derived.expect("32 bytes are less than HKDF can give");
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_depend_on_key_and_request() {
        let (a, b) = (RequestId::from_bytes([1; 16]), RequestId::from_bytes([2; 16]));
        let (k, l) = (InviteKey::new([1; 32]), InviteKey::new([2; 32]));
        assert_eq!(derive_secret(&k, a), derive_secret(&k, a));
        assert_ne!(derive_secret(&k, a), derive_secret(&k, b));
        assert_ne!(derive_secret(&k, a), derive_secret(&l, a));
    }

    #[test]
    fn a_repeated_request_gets_the_same_ticket() {
        let mut recent = RecentInvites::new(2);
        for n in 1..=3 {
            recent.keep(RequestId::from_bytes([n; 16]), Invite { ticket: n.to_string(), expires_ms: 0 });
        }
        assert!(recent.get(&RequestId::from_bytes([1; 16])).is_none(), "bounded");
        assert_eq!(recent.get(&RequestId::from_bytes([3; 16])).unwrap().ticket, "3");
        assert!(!format!("{:?}", recent.get(&RequestId::from_bytes([3; 16]))).contains("ticket"));
    }
}
