//! The two ways into the pages: a challenge that is signed by hand, and a one-time token made by who is in already.

use super::auth::{Auth, Opened, new_token, refused};
use crate::access::{Caller, Identity, NONCE_BYTES, verify_armored};
use crate::mapping::busy;
use crate::problem::Problem;
use bib_domain::{OpContext, Role, Who};
use bib_kit::clock;
use bib_proto::v1::{
    CreateOneTimeTokenResponse, ExchangeOneTimeTokenResponse, GetSignInChallengeResponse, SignInRequest, SignInResponse,
};
use bib_proto::{SIGN_IN_NAMESPACE, v1::ExchangeOneTimeTokenRequest};
use data_encoding::BASE64URL_NOPAD;
use tonic::Code;

/// What challenges that are signed by hand are kept under: they are for whichever key comes.
const ANY_KEY: &str = "sign-in";

impl Auth {
    pub(super) fn sign_in_challenge(&self, caller: &Caller) -> Result<GetSignInChallengeResponse, Problem> {
        self.check_failures(caller)?;
        let sessions = &self.0.options.sessions;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(Problem::internal)?;
        let issued = self.0.sign_ins.issue(clock::monotonic(), nonce, ANY_KEY, caller.address());
        issued.map_err(|_| busy("sign-ins", sessions.challenges))?;
        Ok(GetSignInChallengeResponse {
            challenge: format!("{}.{}", self.0.options.node_id, BASE64URL_NOPAD.encode(&nonce)),
            namespace: SIGN_IN_NAMESPACE.to_owned(),
            expires_ms: expiry(sessions.sign_in_ttl),
        })
    }

    pub(super) async fn sign_in(&self, caller: Caller, asked: SignInRequest) -> Result<SignInResponse, Problem> {
        let (mut op, record) = self.begin(&caller).await?;
        let outcome = self.open_signed(&mut op, &asked).await;
        let opened = self.settle(record, &caller, &op, outcome).await?;
        Ok(SignInResponse {
            token: opened.token.to_string(),
            expires_ms: opened.expires_ms,
            user: opened.user,
            role: opened.role.as_str().to_owned(),
        })
    }

    async fn open_signed(&self, op: &mut OpContext, asked: &SignInRequest) -> Result<(Opened, String), Problem> {
        let fingerprint = self.check_signature(asked)?;
        let user = self.known(&fingerprint).await?;
        (op.who, op.role) = (Who::User(user.name.clone()), user.role);
        let opened = self.open_session_of(op, &user.name, user.role, &fingerprint, false, i64::MAX).await?;
        Ok((opened, fingerprint))
    }

    fn check_signature(&self, asked: &SignInRequest) -> Result<String, Problem> {
        let unknown = || {
            refused("CHALLENGE_REFUSED", "the challenge is not known: it was used, has expired, or is another node's")
                .hint("load the sign-in page again and sign the challenge that it shows")
        };
        let (node, nonce) = asked.challenge.trim().split_once('.').ok_or_else(unknown)?;
        let nonce = BASE64URL_NOPAD.decode(nonce.as_bytes()).map_err(|_| unknown())?;
        let redeemed = self.0.sign_ins.redeem(clock::monotonic(), &nonce, ANY_KEY);
        if node != self.0.options.node_id.as_str() || redeemed.is_err() {
            return Err(unknown());
        }
        verify_armored(&asked.signature, asked.challenge.trim()).map_err(|refusal| {
            refused("SIGNATURE_REFUSED", refusal.to_string())
                .hint("sign the challenge with: bib auth sign CHALLENGE, and paste all that it prints")
        })
    }

    /// A token for whoever calls. It is bound to the caller's session: with a session that has ended, it opens none.
    pub(super) async fn one_time_token(&self, caller: &Caller) -> Result<CreateOneTimeTokenResponse, Problem> {
        let sessions = &self.0.options.sessions;
        let token = new_token("bibo_")?;
        let record = self.0.journal.changes(&caller.op(), "auth.one-time", self.0.options.node_id.as_str()).await?;
        if !self.0.one_time.put(clock::monotonic(), &token, caller.identity.clone()) {
            let problem = busy("one-time tokens", sessions.one_time_tokens);
            record.ended(&problem).await;
            return Err(problem);
        }
        record.done_durably().await?;
        Ok(CreateOneTimeTokenResponse {
            token: token.to_string(),
            expires_ms: expiry(sessions.one_time_ttl),
            pages_url: self.0.deps.door.pages_url(),
        })
    }

    pub(super) async fn exchange(
        &self,
        caller: Caller,
        asked: ExchangeOneTimeTokenRequest,
    ) -> Result<ExchangeOneTimeTokenResponse, Problem> {
        let (mut op, record) = self.begin(&caller).await?;
        let outcome = match self.0.one_time.take(clock::monotonic(), asked.token.trim()) {
            Some(maker) => self.open_for(&mut op, maker).await,
            None => {
                let text = "this link is not good: it was used already, or is older than a minute";
                Err(refused("ONE_TIME_TOKEN_REFUSED", text).hint("bib ui"))
            }
        };
        let opened = self.settle(record, &caller, &op, outcome).await?;
        Ok(ExchangeOneTimeTokenResponse {
            token: opened.token.to_string(),
            expires_ms: opened.expires_ms,
            user: opened.user,
            role: opened.role.as_str().to_owned(),
        })
    }

    async fn open_for(&self, op: &mut OpContext, maker: Identity) -> Result<(Opened, String), Problem> {
        match maker {
            Identity::Anonymous => Err(Problem::new(Code::Internal, "INTERNAL", "a one-time token without a maker")),
            Identity::Local { user } => {
                (op.who, op.role) = (Who::User(user.clone()), Role::Admin);
                let key = "this machine's user".to_owned();
                Ok((self.open_session_of(op, &user, Role::Admin, &key, true, i64::MAX).await?, key))
            }
            Identity::Session { user, role, token_hash, fingerprint, expires_ms, .. } => {
                let still = self.0.deps.guardian.session(&token_hash).await?.filter(|row| !row.suspended);
                if still.is_none() {
                    return Err(refused("SESSION_EXPIRED", "the session that made this link has ended").hint("bib ui"));
                }
                (op.who, op.role) = (Who::User(user.clone()), role);
                // who has a session cannot make it last longer than its key did
                Ok((self.open_session_of(op, &user, role, &fingerprint, false, expires_ms).await?, fingerprint))
            }
        }
    }
}

fn expiry(ttl: std::time::Duration) -> i64 {
    clock::deadline_ms() + super::auth::millis(ttl)
}
