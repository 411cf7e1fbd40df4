//! The browser's session: a cookie that holds the API's session token, and nothing that this server would have to
//! remember. It ends where the session ends: in the node.

use crate::error::PageError;
use crate::shell::Shell;
use crate::site::Web;
use crate::stream::settled;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use bib_proto::client::Client;
use bib_proto::v1::WhoAmIRequest;
use futures::future::LocalBoxFuture;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, Ipv4Addr};

/// Longest token that is looked at.
const TOKEN_MAX: usize = 256;

/// Name of the cookie. Cookies do not know ports, so each node has its own; over TLS the browser takes it from this
/// host only.
pub(crate) fn cookie_name(node_id: &str, tls: bool) -> String {
    let tail = &node_id[node_id.len().saturating_sub(8)..];
    if tls { format!("__Host-bib-{tail}") } else { format!("bib-{tail}") }
}

/// The cookie that begins a session.
pub(crate) fn begin<'a>(web: &Web, token: String, expires_ms: i64) -> Cookie<'a> {
    let left = (expires_ms - crate::format::now_ms()).max(0) / 1000;
    cookie(web, token, time::Duration::seconds(left))
}

/// The cookie that ends one.
pub(crate) fn end<'a>(web: &Web) -> Cookie<'a> {
    cookie(web, String::new(), time::Duration::ZERO)
}

fn cookie<'a>(web: &Web, value: String, age: time::Duration) -> Cookie<'a> {
    Cookie::build(web.cookie.clone(), value)
        .path("/")
        .http_only(true)
        .secure(web.site.tls)
        .same_site(SameSite::Strict)
        .max_age(age)
        .finish()
}

/// The token that the browser brings.
pub(crate) fn token(request: &HttpRequest, web: &Web) -> Option<String> {
    let value = request.cookie(&web.cookie)?.value().to_owned();
    let fits = !value.is_empty() && value.len() <= TOKEN_MAX && value.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(value)
}

/// What forms of this session carry. It follows from the token, which only browser and node know.
pub(crate) fn csrf(token: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"bib-csrf/1\0");
    hash.update(token.as_bytes());
    hex::encode(hash.finalize())
}

/// Where the browser is.
pub(crate) fn address(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

/// Somebody with a session. A handler that takes one is for people who have signed in; others are led to the sign-in.
pub(crate) struct Visitor {
    /// Calls the API in this person's name.
    pub(crate) client: Client,
    /// Their name.
    pub(crate) user: String,
    /// Their role.
    pub(crate) role: String,
    request: HttpRequest,
    token: String,
}

impl Visitor {
    /// What every page has around it. `nav` is the entry of the navigation that it belongs to.
    pub(crate) fn shell(&self, title: impl Into<String>, nav: &'static str) -> Shell {
        let mut shell = Shell::new(&self.request, title.into(), nav);
        shell.user.clone_from(&self.user);
        shell.role.clone_from(&self.role);
        shell
    }

    /// Whether this person may change topics, peers and subscriptions.
    pub(crate) fn operates(&self) -> bool {
        matches!(self.role.as_str(), "admin" | "operator")
    }

    /// The request.
    pub(crate) const fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// A client with a connection of its own: for bytes.
    pub(crate) fn bulk_client(&self) -> Result<Client, PageError> {
        let web = self.request.app_data::<web::Data<Web>>().ok_or(PageError::Broken)?;
        Ok(web.bulk_client(address(&self.request), Some(&self.token))?)
    }
}

impl FromRequest for Visitor {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let web = request.app_data::<web::Data<Web>>().cloned().ok_or(PageError::Broken)?;
            let sign_in = || PageError::sign_in(&request);
            let token = token(&request, &web).ok_or_else(sign_in)?;
            let client = web.client(address(&request), Some(&token)).map_err(|_| sign_in())?;
            let who = match client.auth().who_am_i(WhoAmIRequest {}).await {
                Ok(who) => who.into_inner(),
                Err(status) if status.code() == tonic::Code::Unauthenticated => return Err(sign_in()),
                Err(status) => return Err(status.into()),
            };
            settled(&request);
            Ok(Self { client, user: who.user, role: who.role, request, token })
        })
    }
}
