//! The one place that every call passes: who calls, may they, under which id, and what becomes of a panic.
//!
//! A handler that panics fails its own call: it holds nothing that other calls share but bounded caches, so the
//! gateway goes on. When the incarnation ends, calls under way end with `UNAVAILABLE`.

use super::caller::{Caller, Identity};
use super::sessions::hash_token;
use super::table::{Access, rule};
use crate::listen::Origin;
use crate::problem::Problem;
use crate::shared::Shared;
use bib_domain::access::is_current;
use bib_domain::{RequestId, Role};
use bib_guardian::SessionRow;
use bib_kit::clock;
use bib_proto::BROWSER_HEADER;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};

/// Longest `authorization` header that is looked at.
const TOKEN_MAX: usize = 512;
const RETRY: Duration = Duration::from_secs(1);

/// Puts the gate before the services.
#[derive(Clone)]
pub(crate) struct GateLayer(pub(crate) Arc<Shared>);

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { shared: Arc::clone(&self.0), inner }
    }
}

/// A service behind the gate.
#[derive(Clone)]
pub(crate) struct Gate<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            let origin = request.extensions().get::<Origin>().copied();
            let mut caller = Caller {
                identity: Identity::Anonymous,
                origin: origin_of(origin.unwrap_or(Origin::Local { uid: u32::MAX }), request.headers()),
                request_id: request_id(request.headers()),
            };
            let admitted = tokio::select! {
                biased;
                admitted = admit(&shared, &mut caller, &path, request.headers()) => admitted,
                () = shared.token.cancelled() => Err(restarting()),
            };
            let id = caller.request_id;
            if let Err(problem) = admitted {
                shared.journal.refused(&caller, &path, &problem).await;
                return Ok(problem.into_status(&id).into_http());
            }
            request.extensions_mut().insert(caller);
            let work = AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind();
            tokio::select! {
                biased;
                answer = work => answer.unwrap_or_else(|_| {
                    // The panic hook has logged the text.
                    let problem = Problem::internal(format_args!("{path} panicked in call {id}"));
                    Ok(problem.into_status(&id).into_http())
                }),
                () = shared.token.cancelled() => Ok(restarting().into_status(&id).into_http()),
            }
        })
    }
}

/// The pages say for which browser they call. From anybody else, the header means nothing.
fn origin_of(connection: Origin, headers: &HeaderMap) -> Origin {
    if connection != Origin::Pages {
        return connection;
    }
    let address = headers.get(BROWSER_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    address.map_or(Origin::Pages, Origin::Browser)
}

fn restarting() -> Problem {
    Problem::new(
        Code::Unavailable,
        "GATEWAY_RESTARTING",
        "the node's gateway is restarting; whether this call took effect is not known",
    )
    .hint("send the same call again, with the same request id")
    .retry_after(RETRY)
}

fn request_id(headers: &HeaderMap) -> RequestId {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    given.and_then(|text| text.parse().ok()).unwrap_or_else(clock::new_request_id)
}

/// Finds out who calls and whether they may.
async fn admit(shared: &Shared, caller: &mut Caller, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let access = rule(path).ok_or_else(|| {
        Problem::new(
            Code::Unimplemented,
            "NO_SUCH_METHOD",
            "this node has no such method; client and node may be of different versions",
        )
        .hint("bib version")
    })?;
    caller.identity = identify(shared, caller, headers, access).await?;
    match (access, caller.role()) {
        (Access::Public, _) => Ok(()),
        (Access::Role(_), None) => {
            Err(Problem::new(Code::Unauthenticated, "NOT_LOGGED_IN", "this call needs a session").hint("bib connect"))
        }
        (Access::Role(needed), Some(role)) if role.allows(needed) => Ok(()),
        (Access::Role(needed), Some(role)) => Err(denied(path, needed, role)),
    }
}

fn denied(path: &str, needed: Role, role: Role) -> Problem {
    let method = path.rsplit('/').next().unwrap_or(path);
    Problem::new(
        Code::PermissionDenied,
        "ROLE_TOO_LOW",
        format!("{method} needs the role {needed}, and you have {role}"),
    )
    .hint(format!("ask an administrator of this node for the role {needed}"))
    .with("needed", needed.as_str())
    .with("role", role.as_str())
}

async fn identify(shared: &Shared, caller: &Caller, headers: &HeaderMap, access: Access) -> Result<Identity, Problem> {
    let Some(header) = headers.get("authorization") else {
        let owner = shared.owner(caller.origin);
        return Ok(owner.map_or(Identity::Anonymous, |name| Identity::Local { user: format!("local:{name}") }));
    };
    let token =
        header.to_str().ok().filter(|text| text.len() <= TOKEN_MAX).and_then(|text| text.strip_prefix("Bearer "));
    let session = match token {
        Some(token) => find_session(shared, hash_token(token.trim().as_bytes())).await?,
        None => None,
    };
    match session {
        Some(row) if is_current(row.created_ms, row.expires_ms, clock::deadline_ms()) && !row.suspended => {
            Ok(Identity::Session {
                user: row.user,
                role: row.role,
                token_hash: row.token_hash,
                fingerprint: row.key_fingerprint,
                expires_ms: row.expires_ms,
            })
        }
        // Login must work with an old token still in the client's hand.
        _ if access == Access::Public => Ok(Identity::Anonymous),
        Some(row) if row.suspended => Err(Problem::new(
            Code::Unauthenticated,
            "USER_SUSPENDED",
            format!("user {:?} is suspended on this node", row.user),
        )
        .hint("ask an administrator of this node")),
        _ => Err(Problem::new(Code::Unauthenticated, "SESSION_EXPIRED", "the session has ended").hint("bib connect")),
    }
}

async fn find_session(shared: &Shared, hash: [u8; 32]) -> Result<Option<SessionRow>, Problem> {
    if let Some(known) = shared.sessions.get(clock::monotonic(), &hash) {
        return Ok(known);
    }
    let session = shared.deps.guardian.session(&hash).await?;
    let session = session.filter(|row| !shared.barred.contains(&row.key_fingerprint));
    shared.sessions.put(clock::monotonic(), hash, session.clone());
    Ok(session)
}
