//! Login: a challenge, a signature, a session.
//!
//! What a stranger learns is bounded: the same answer for a wrong signature and a wrong challenge, and whether a key
//! is known only to who holds it.

use super::answer;
use crate::access::{Caller, Identity, NONCE_BYTES, hash_token, parse_key, verify};
use crate::journal::Record;
use crate::mapping::busy;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::{OpContext, Role, Who};
use bib_guardian::UserRow;
use bib_kit::clock;
use bib_proto::v1::auth_service_server::AuthService;
use bib_proto::v1::{
    CreateOneTimeTokenRequest, CreateOneTimeTokenResponse, ExchangeOneTimeTokenRequest, ExchangeOneTimeTokenResponse,
    GetChallengeRequest, GetChallengeResponse, GetSignInChallengeRequest, GetSignInChallengeResponse, LoginRequest,
    LoginResponse, LogoutRequest, LogoutResponse, SignInRequest, SignInResponse, WhoAmIRequest, WhoAmIResponse,
};
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Request, Response, Status};
use zeroize::Zeroizing;

/// What session tokens begin with.
const TOKEN_PREFIX: &str = "bibs_";
const TOKEN_BYTES: usize = 32;

/// A session that was opened.
pub(super) struct Opened {
    pub(super) token: Zeroizing<String>,
    pub(super) expires_ms: i64,
    pub(super) user: String,
    pub(super) role: Role,
}

/// The auth service.
pub(crate) struct Auth(pub(crate) Arc<Shared>);

#[tonic::async_trait]
impl AuthService for Auth {
    async fn get_challenge(
        &self,
        request: Request<GetChallengeRequest>,
    ) -> Result<Response<GetChallengeResponse>, Status> {
        answer(request, |caller, asked| async move { self.challenge(&caller, &asked.public_key) }).await
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<LoginResponse>, Status> {
        answer(request, |caller, asked| async move { self.log_in(caller, asked).await }).await
    }

    async fn get_sign_in_challenge(
        &self,
        request: Request<GetSignInChallengeRequest>,
    ) -> Result<Response<GetSignInChallengeResponse>, Status> {
        answer(request, |caller, _| async move { self.sign_in_challenge(&caller) }).await
    }

    async fn sign_in(&self, request: Request<SignInRequest>) -> Result<Response<SignInResponse>, Status> {
        answer(request, |caller, asked| async move { self.sign_in(caller, asked).await }).await
    }

    async fn create_one_time_token(
        &self,
        request: Request<CreateOneTimeTokenRequest>,
    ) -> Result<Response<CreateOneTimeTokenResponse>, Status> {
        answer(request, |caller, _| async move { self.one_time_token(&caller).await }).await
    }

    async fn exchange_one_time_token(
        &self,
        request: Request<ExchangeOneTimeTokenRequest>,
    ) -> Result<Response<ExchangeOneTimeTokenResponse>, Status> {
        answer(request, |caller, asked| async move { self.exchange(caller, asked).await }).await
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        answer(request, |caller, _| async move { self.log_out(&caller).await }).await
    }

    async fn who_am_i(&self, request: Request<WhoAmIRequest>) -> Result<Response<WhoAmIResponse>, Status> {
        answer(request, |caller, _| async move { Ok(who(&caller)) }).await
    }
}

impl Auth {
    fn challenge(&self, caller: &Caller, public_key: &str) -> Result<GetChallengeResponse, Problem> {
        self.check_failures(caller)?;
        let (_, fingerprint) = parse_key(public_key).map_err(|refusal| {
            Problem::invalid("public_key", "KEY_NOT_ACCEPTED", refusal.to_string()).hint("ssh-keygen -t ed25519")
        })?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(Problem::internal)?;
        let issued = self.0.challenges.issue(clock::monotonic(), nonce, &fingerprint, caller.address());
        issued.map_err(|_| busy("logins", self.0.options.sessions.challenges))?;
        Ok(GetChallengeResponse { nonce: nonce.to_vec(), node_id: self.0.options.node_id.to_string() })
    }

    async fn log_in(&self, caller: Caller, asked: LoginRequest) -> Result<LoginResponse, Problem> {
        let (mut op, record) = self.begin(&caller).await?;
        let outcome = self.open_session(&mut op, &asked).await;
        let opened = self.settle(record, &caller, &op, outcome).await?;
        Ok(LoginResponse {
            token: opened.token.to_string(),
            expires_ms: opened.expires_ms,
            user: opened.user,
            role: opened.role.as_str().to_owned(),
        })
    }

    /// What every way in begins with. Until something was proved, nobody is there, whatever session or socket the call
    /// came with.
    pub(super) async fn begin(&self, caller: &Caller) -> Result<(OpContext, Record), Problem> {
        self.check_failures(caller)?;
        let mut op = caller.op();
        (op.who, op.role, op.session_hash) = (Who::Anonymous, Role::Reader, None);
        let mut record = self.0.journal.reads(&op, "auth.login", self.0.options.node_id.as_str()).await;
        record.note("from", caller.origin.to_string());
        Ok((op, record))
    }

    /// What every way in ends with: failures are counted, and the outcome is recorded before anybody hears of it.
    pub(super) async fn settle(
        &self,
        mut record: Record,
        caller: &Caller,
        op: &OpContext,
        outcome: Result<(Opened, String), Problem>,
    ) -> Result<Opened, Problem> {
        match outcome {
            Ok((opened, key)) => {
                self.0.failures.forgive(caller.address());
                record.was(op);
                record.note("key", key);
                record.done_durably().await?;
                Ok(opened)
            }
            Err(problem) => {
                if is_failed_proof(&problem) {
                    self.0.failures.count(clock::monotonic(), caller.address());
                }
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }

    async fn open_session(&self, op: &mut OpContext, asked: &LoginRequest) -> Result<(Opened, String), Problem> {
        let (key, fingerprint) = parse_key(&asked.public_key).map_err(|refusal| {
            Problem::invalid("public_key", "KEY_NOT_ACCEPTED", refusal.to_string()).hint("ssh-keygen -t ed25519")
        })?;
        let redeemed = self.0.challenges.redeem(clock::monotonic(), &asked.nonce, &fingerprint);
        redeemed.map_err(|_| {
            refused("CHALLENGE_REFUSED", "the challenge is not known: it was used, has expired, or was for another key")
                .hint("log in again: bib connect")
        })?;
        let node = self.0.options.node_id.as_str();
        verify(&key, &asked.algorithm, &asked.signature, node, &asked.nonce)
            .map_err(|refusal| refused("SIGNATURE_REFUSED", refusal.to_string()))?;
        let user = self.known(&fingerprint).await?;
        (op.who, op.role) = (Who::User(user.name.clone()), user.role);
        let opened = self.open_session_of(op, &user.name, user.role, &fingerprint, false, i64::MAX).await?;
        Ok((opened, fingerprint))
    }

    /// Whose key it is, if they may come in.
    pub(super) async fn known(&self, fingerprint: &str) -> Result<UserRow, Problem> {
        if self.0.barred.contains(fingerprint) {
            let text = "what the node's bibd.toml says of this key could not be written, since its disk was full";
            return Err(refused("KEY_UNKNOWN", text).hint("free room on the node's disk and start bibd again"));
        }
        let user = self.0.deps.guardian.user_by_key(fingerprint).await?.ok_or_else(|| {
            refused("KEY_UNKNOWN", format!("this node knows nobody with the key {fingerprint}"))
                .hint("have the key added under [[users]] in the node's bibd.toml and bibd started again, or log in with another key")
                .with("fingerprint", fingerprint)
        })?;
        if user.suspended {
            return Err(refused("USER_SUSPENDED", format!("user {:?} is suspended on this node", user.name))
                .hint("ask an administrator of this node"));
        }
        Ok(user)
    }

    /// Opens a session with a new token, which ends at `until_ms` at the latest. `local` is a user of this machine, whom the
    /// catalogue need not know.
    pub(super) async fn open_session_of(
        &self,
        op: &OpContext,
        user: &str,
        role: Role,
        key: &str,
        local: bool,
        until_ms: i64,
    ) -> Result<Opened, Problem> {
        let token = new_token(TOKEN_PREFIX)?;
        let expires_ms = until_ms.min(clock::deadline_ms().saturating_add(millis(self.0.options.sessions.lifetime)));
        let hash = hash_token(token.as_bytes());
        let guardian = &self.0.deps.guardian;
        if local {
            guardian.create_local_session(op, hash, user, role, key, expires_ms).await?;
        } else {
            guardian.create_session(op, hash, user, role, key, expires_ms).await?;
        }
        Ok(Opened { token, expires_ms, user: user.to_owned(), role })
    }

    async fn log_out(&self, caller: &Caller) -> Result<LogoutResponse, Problem> {
        if let Identity::Session { token_hash, .. } = &caller.identity {
            self.0.sessions.end(clock::monotonic(), *token_hash);
            self.0.deps.guardian.end_session(&caller.op(), token_hash).await?;
            // Counted from now: a call beside this one may have looked it up meanwhile.
            self.0.sessions.end(clock::monotonic(), *token_hash);
        }
        Ok(LogoutResponse {})
    }

    pub(super) fn check_failures(&self, caller: &Caller) -> Result<(), Problem> {
        self.0.failures.check(clock::monotonic(), caller.address()).map_err(|wait| {
            Problem::new(
                Code::ResourceExhausted,
                "TOO_MANY_FAILED_LOGINS",
                format!("too many logins from this address have failed; it may try again in {} s", wait.as_secs() + 1),
            )
            .hint("wait, then log in with a key that the node knows")
            .retry_after(wait)
        })
    }
}

/// Whether somebody failed to prove who they are, and not the node to look: what it is too busy for is no failed login.
fn is_failed_proof(problem: &Problem) -> bool {
    matches!(problem.code(), Code::Unauthenticated | Code::InvalidArgument)
}

pub(super) fn refused(reason: &'static str, message: impl Into<String>) -> Problem {
    Problem::new(Code::Unauthenticated, reason, message)
}

/// A random token; the prefix makes it known for what it is when it turns up where it should not.
pub(super) fn new_token(prefix: &str) -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(Problem::internal)?;
    Ok(Zeroizing::new(format!("{prefix}{}", BASE64URL_NOPAD.encode(bytes.as_ref()))))
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn who(caller: &Caller) -> WhoAmIResponse {
    let role = caller.role().map(|role| role.as_str().to_owned()).unwrap_or_default();
    match &caller.identity {
        Identity::Session { user, fingerprint, expires_ms, .. } => WhoAmIResponse {
            user: user.clone(),
            role,
            key_fingerprint: fingerprint.clone(),
            method: "session".to_owned(),
            expires_ms: *expires_ms,
        },
        Identity::Local { user } => {
            WhoAmIResponse { user: user.clone(), role, method: "socket".to_owned(), ..Default::default() }
        }
        Identity::Anonymous => WhoAmIResponse::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bib_guardian::GuardianError;
    use bib_kit::AskError;

    #[test]
    fn what_the_node_is_too_busy_for_is_no_failed_login() {
        let wrong =
            [refused("SIGNATURE_REFUSED", "it is wrong"), Problem::invalid("public_key", "KEY_NOT_ACCEPTED", "no")];
        assert!(wrong.iter().all(is_failed_proof));
        let actor = "guardian";
        for error in [AskError::Overloaded { actor, capacity: 4 }, AskError::Restarting { actor }] {
            assert!(!is_failed_proof(&GuardianError::Ask(error).into()));
        }
        assert!(!is_failed_proof(&busy("logins", 1)));
    }
}
