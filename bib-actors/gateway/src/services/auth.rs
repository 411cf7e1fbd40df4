//! Login: a challenge, a signature, a session.
//!
//! What a stranger learns is bounded: the same answer for a wrong signature and a wrong challenge, and whether a key
//! is known only to who holds it.

use super::answer;
use crate::access::{Caller, Identity, hash_token, parse_key, verify};
use crate::mapping::busy;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::{OpContext, Role, Who};
use bib_kit::clock;
use bib_proto::v1::auth_service_server::AuthService;
use bib_proto::v1::{
    GetChallengeRequest, GetChallengeResponse, LoginRequest, LoginResponse, LogoutRequest, LogoutResponse,
    WhoAmIRequest, WhoAmIResponse,
};
use data_encoding::BASE64URL_NOPAD;
use std::sync::Arc;
use std::time::Duration;
use tonic::{Code, Request, Response, Status};
use zeroize::Zeroizing;

/// Makes a token known for what it is when it turns up where it should not.
const TOKEN_PREFIX: &str = "bibs_";
const TOKEN_BYTES: usize = 32;
const NONCE_BYTES: usize = 32;

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
        self.check_failures(&caller)?;
        let mut op = caller.op();
        // Until the key has spoken, nobody is there, whatever session or socket the call came with.
        (op.who, op.role, op.session_hash) = (Who::Anonymous, Role::Reader, None);
        let mut record = self.0.journal.reads(&op, "auth.login", self.0.options.node_id.as_str()).await;
        record.note("from", caller.origin.to_string());
        match self.open_session(&mut op, &asked).await {
            Ok((answer, fingerprint)) => {
                self.0.failures.forgive(caller.address());
                record.was(&op);
                record.note("key", fingerprint);
                record.done_durably().await?;
                Ok(answer)
            }
            Err(problem) => {
                if problem.is_refusal() {
                    self.0.failures.count(clock::monotonic(), caller.address());
                }
                record.ended(&problem).await;
                Err(problem)
            }
        }
    }

    async fn open_session(&self, op: &mut OpContext, asked: &LoginRequest) -> Result<(LoginResponse, String), Problem> {
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
        let user = self.0.deps.guardian.user_by_key(&fingerprint).await?.ok_or_else(|| {
            refused("KEY_UNKNOWN", format!("this node knows nobody with the key {fingerprint}"))
                .hint("have the key added under [[users]] in the node's bibd.toml and bibd started again, or log in with another key")
                .with("fingerprint", fingerprint.clone())
        })?;
        if user.suspended {
            return Err(refused("USER_SUSPENDED", format!("user {:?} is suspended on this node", user.name))
                .hint("ask an administrator of this node"));
        }
        op.who = Who::User(user.name.clone());
        op.role = user.role;
        let token = new_token()?;
        let expires_ms = clock::unix_ms() + millis(self.0.options.sessions.lifetime);
        let hash = hash_token(token.as_bytes());
        self.0.deps.guardian.create_session(op, hash, &user.name, user.role, &fingerprint, expires_ms).await?;
        let answer = LoginResponse {
            token: token.to_string(),
            expires_ms,
            user: user.name,
            role: user.role.as_str().to_owned(),
        };
        Ok((answer, fingerprint))
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

    fn check_failures(&self, caller: &Caller) -> Result<(), Problem> {
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

fn refused(reason: &'static str, message: impl Into<String>) -> Problem {
    Problem::new(Code::Unauthenticated, reason, message)
}

fn new_token() -> Result<Zeroizing<String>, Problem> {
    let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
    getrandom::fill(bytes.as_mut()).map_err(Problem::internal)?;
    Ok(Zeroizing::new(format!("{TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(bytes.as_ref()))))
}

fn millis(duration: Duration) -> i64 {
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
