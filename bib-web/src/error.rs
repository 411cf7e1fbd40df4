//! What goes wrong on the way to a page, said as the command line says it: what happened, and what to do next.

use crate::assets;
use crate::format::count;
use crate::shell::{chosen_theme, page_with};
use crate::site::Web;
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;
use bib_proto::client::ClientError;
use tonic::Code;

/// A message for people.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notice {
    /// What happened.
    pub(crate) message: String,
    /// What to do next; empty if nothing is to be done.
    pub(crate) hint: String,
    /// The node's word for it.
    pub(crate) reason: String,
    /// Which call it was, to find it in the audit log.
    pub(crate) request_id: String,
}

impl Notice {
    /// A message of our own.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into(), ..Self::default() }
    }
}

impl From<&ClientError> for Notice {
    fn from(error: &ClientError) -> Self {
        let mut notice = Self::new(error.to_string(), "");
        if let ClientError::Status { details, .. } = error {
            notice.hint = details.hints.first().cloned().unwrap_or_default();
            notice.reason.clone_from(&details.reason);
            // the gateway itself did not answer
            if details.reason.is_empty() && error.code() == Some(Code::Unavailable) {
                notice = Self::new("The node is starting, or its gateway restarts.", "load the page again in a moment");
            }
            notice.request_id = details.metadata.get("request_id").cloned().unwrap_or_default();
        }
        notice
    }
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum PageError {
    /// Nobody has signed in.
    SignIn {
        /// Where to lead, with the way back.
        to: String,
        /// Whether a script asked for a part of a page.
        part: bool,
    },
    /// The node refused or failed.
    Node(Box<ClientError>),
    /// The request is not one that we answer.
    Forbidden(&'static str),
    /// There is no such page.
    NotFound,
    /// The request is longer than what is read: so many bytes.
    TooLong(usize),
    /// A defect of ours.
    Broken,
}

impl PageError {
    /// Leads to the sign-in and, after it, back.
    pub(crate) fn sign_in(request: &HttpRequest) -> Self {
        let part = is_part(request);
        // the live part is fetched from the address of its page; the browser may stand at one that a form was sent to
        let live = text(request, "hx-target") == Some("live");
        let here = if part && !live { text(request, "hx-current-url").and_then(path_of) } else { None };
        let back = here.or_else(|| match *request.method() {
            Method::GET | Method::HEAD => request.uri().path_and_query().map(ToString::to_string),
            // where a form is sent to is no page: back to the one on which it stands
            _ => came_from(request),
        });
        let to = match back.as_deref() {
            None | Some("/") => "/login".to_owned(),
            Some(back) => {
                format!("/login?next={}", url::form_urlencoded::byte_serialize(back.as_bytes()).collect::<String>())
            }
        };
        Self::SignIn { to, part }
    }

    /// The answer to this request, in the colours that were chosen in its browser.
    pub(crate) fn answer_to(&self, request: &HttpRequest) -> HttpResponse {
        self.answer(chosen_theme(request))
    }

    fn answer(&self, theme: &'static str) -> HttpResponse {
        let status = self.status_code();
        if let Self::SignIn { to, part } = self {
            let name = if *part { "hx-redirect" } else { "location" };
            return HttpResponse::build(status).insert_header((name, to.as_str())).finish();
        }
        let css = assets::url("app.css");
        let shown = ErrorPage { status: status.as_u16(), notice: self.notice(), css, theme };
        let mut answer = page_with(status, &shown);
        if matches!(self, Self::TooLong(_)) {
            // where the next request begins is not known
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }

    fn notice(&self) -> Notice {
        match self {
            Self::SignIn { .. } => Notice::new("You are not signed in.", "bib ui"),
            Self::Node(error) => Notice::from(error.as_ref()),
            Self::Forbidden(why) => Notice::new(*why, ""),
            Self::NotFound => Notice::new("There is no such page.", ""),
            Self::TooLong(most) => Notice::new(
                format!(
                    "This is too long: of an address, with what the browser sends along, these pages read {} bytes. \
                     Longer queries are sent from the command line.",
                    count(*most as u64)
                ),
                "bib dataset query",
            ),
            Self::Broken => Notice::new("The page could not be made; the node's log says why.", "bib status"),
        }
    }
}

/// Whether a script asks for a part of a page, to put it into the one that is shown.
pub(crate) fn is_part(request: &HttpRequest) -> bool {
    request.headers().contains_key("hx-request")
}

fn text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The page of ours that the browser says it comes from; its path only.
fn came_from(request: &HttpRequest) -> Option<String> {
    let (from, host) = (text(request, "referer")?, text(request, "host")?);
    let scheme = request.app_data::<web::Data<Web>>()?.scheme();
    let address = url::Url::parse(from).ok().filter(|address| address.scheme() == scheme)?;
    let ours = url::Url::parse(&format!("{scheme}://{host}")).ok()?;
    (address.origin() == ours.origin())
        .then(|| address[url::Position::BeforePath..url::Position::AfterQuery].to_owned())
}

fn path_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    rest.find('/').map(|at| rest[at..].to_owned())
}

impl From<ClientError> for PageError {
    fn from(error: ClientError) -> Self {
        Self::Node(Box::new(error))
    }
}

impl From<tonic::Status> for PageError {
    fn from(status: tonic::Status) -> Self {
        ClientError::from(status).into()
    }
}

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.notice().message)
    }
}

/// The HTTP status for a call's outcome.
pub(crate) fn status_of(error: &ClientError) -> StatusCode {
    match error.code() {
        Some(Code::InvalidArgument | Code::OutOfRange) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Code::NotFound) => StatusCode::NOT_FOUND,
        Some(Code::PermissionDenied) => StatusCode::FORBIDDEN,
        Some(Code::Unauthenticated) => StatusCode::UNAUTHORIZED,
        Some(Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition) => StatusCode::CONFLICT,
        Some(Code::ResourceExhausted) => StatusCode::TOO_MANY_REQUESTS,
        Some(Code::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        Some(Code::DeadlineExceeded) => StatusCode::GATEWAY_TIMEOUT,
        Some(Code::Unimplemented) => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    status: u16,
    notice: Notice,
    css: String,
    /// `light` or `dark` if chosen by hand, else empty.
    theme: &'static str,
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn { part: false, .. } => StatusCode::SEE_OTHER,
            Self::SignIn { part: true, .. } => StatusCode::UNAUTHORIZED,
            Self::Node(error) => status_of(error),
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooLong(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        self.answer("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn after_the_sign_in_one_is_on_a_page() {
        let part = |path: &str, target: &'static str| {
            let asked = TestRequest::get().uri(path).insert_header(("hx-request", "true"));
            let from = ("hx-current-url", "http://127.0.0.1:4080/datasets/a/b/verify");
            let refusal =
                PageError::sign_in(&asked.insert_header(("hx-target", target)).insert_header(from).to_http_request());
            let answer = refusal.error_response();
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            answer.headers().get("hx-redirect").unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(part("/datasets/a/b?v=1", "live"), "/login?next=%2Fdatasets%2Fa%2Fb%3Fv%3D1");
        assert_eq!(part("/", "live"), "/login");
        assert_eq!(part("/datasets/a/b/v/1/table/check?f=1", "verdict"), "/login?next=%2Fdatasets%2Fa%2Fb%2Fverify");
    }
}
