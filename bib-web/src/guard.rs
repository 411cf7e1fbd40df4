//! What every request passes: is it meant for us, and does it come from our own pages?
//!
//! * The `Host` must be one of ours: a name that somebody else points at this machine is not (DNS rebinding).
//! * A request that changes something must come from our own pages, as the browser says in `Origin` and
//!   `Sec-Fetch-Site`, and must carry the session's token where there is a session. All of that is checked here, before
//!   any handler, so that no page can forget it.
//! * Another site may lead to a page of ours, and may not load one into its own. It may not sign anybody in.

use crate::error::PageError;
use crate::session;
use crate::site::Web;
use crate::stream;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use subtle::ConstantTimeEq;
use url::form_urlencoded;

/// Largest form that is read.
pub(crate) const FORM_MAX: usize = 128 * 1024;
/// The field and the header in which a form, or a script, brings the session's token.
pub(crate) const FIELD: &str = "_csrf";
const HEADER: &str = "x-csrf-token";
/// Probes come by whatever address the machine has, and say nothing that matters.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// The guard before all routes. What it refuses is answered like anything else, with all headers.
pub(crate) async fn guard<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let verdict = check(&mut request).await;
    stream::received(&request);
    let answer = match verdict {
        Ok(()) => next.call(request).await?,
        Err(refusal) => {
            let answer = refusal.answer_to(request.request());
            return Ok(request.into_response(answer).map_into_right_body());
        }
    };
    // a handler's error is made a page before it is known for whom
    let refusal = answer.response().error().and_then(|error| error.as_error::<PageError>());
    match refusal.map(|refusal| refusal.answer_to(answer.request())) {
        Some(again) => Ok(answer.into_response(again).map_into_right_body()),
        None => Ok(answer.map_into_left_body()),
    }
}

/// What was cut is no request.
fn check_whole(request: &ServiceRequest) -> Result<(), PageError> {
    stream::cut_at(request).map_or(Ok(()), |most| Err(PageError::TooLong(most)))
}

async fn check(request: &mut ServiceRequest) -> Result<(), PageError> {
    check_whole(request)?;
    if PROBES.contains(&request.path()) {
        return Ok(());
    }
    let web = request.app_data::<web::Data<Web>>().cloned().ok_or(PageError::Broken)?;
    let host = host_of(request).ok_or(PageError::Forbidden("the request names no host"))?;
    if !is_ours(&host, &web.site.hosts) {
        return Err(PageError::Forbidden(
            "these pages are not served under this name; an administrator can add it to web.hosts in bibd.toml",
        ));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return check_reading(request.headers());
    }
    check_origin(request.headers(), web.scheme(), &host)?;
    let body = read(request).await?;
    // what came behind a cut, or was put there, is nobody's form
    check_whole(request)?;
    check_token(request, &web, &body)?;
    request.set_payload(Payload::from(body));
    Ok(())
}

/// The host as the browser sees it, with its port. Some clients have it in the address.
fn host_of(request: &ServiceRequest) -> Option<String> {
    let named = request.headers().get(header::HOST).and_then(|value| value.to_str().ok().map(str::to_owned));
    named.or_else(|| request.uri().authority().map(ToString::to_string))
}

fn is_ours(host: &str, ours: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    ["localhost", "127.0.0.1", "::1"].into_iter().chain(ours.iter().map(String::as_str)).any(|known| {
        let known = known.trim_matches(['[', ']']);
        name.eq_ignore_ascii_case(known)
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether the browser says that another site led here. Of an address that was typed, or opened by a program, it says none.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    matches!(text(headers, "sec-fetch-site"), Some("cross-site" | "same-site"))
}

/// Links from elsewhere may be followed; loading from elsewhere is refused.
fn check_reading(headers: &HeaderMap) -> Result<(), PageError> {
    let foreign = is_foreign(headers);
    let followed = text(headers, "sec-fetch-mode").is_none_or(|mode| mode == "navigate")
        && text(headers, "sec-fetch-dest").is_none_or(|dest| dest == "document");
    if foreign && !followed {
        return Err(PageError::Forbidden("another site may not load what these pages serve"));
    }
    Ok(())
}

/// Every browser says where a form comes from in at least one of two headers; what is said must be right.
fn check_origin(headers: &HeaderMap, scheme: &str, host: &str) -> Result<(), PageError> {
    let (origin, site) = (text(headers, "origin"), text(headers, "sec-fetch-site"));
    let foreign = PageError::Forbidden("the request does not come from these pages; nothing was done");
    if origin.is_none() && site.is_none() {
        return Err(foreign);
    }
    let origin_fits = origin.is_none_or(|origin| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")));
    if origin_fits && site.is_none_or(|site| site == "same-origin") { Ok(()) } else { Err(foreign) }
}

async fn read(request: &mut ServiceRequest) -> Result<web::Bytes, PageError> {
    let body =
        actix_web::body::to_bytes_limited(actix_web::body::BodyStream::new(request.take_payload()), FORM_MAX).await;
    match body {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(PageError::Forbidden("the form broke off on its way; nothing was done")),
        Err(_) => Err(PageError::Forbidden("the form is larger than any of these pages; nothing was done")),
    }
}

/// With a session, its token; without one there is nothing to steal but a sign-in, which has a secret of its own.
fn check_token(request: &ServiceRequest, web: &Web, body: &[u8]) -> Result<(), PageError> {
    let Some(token) = session::token(request.request(), web) else { return Ok(()) };
    let wanted = session::csrf(&token);
    let given = match text(request.headers(), HEADER) {
        Some(given) => Some(given.to_owned()),
        None => form_urlencoded::parse(body).find(|(name, _)| name == FIELD).map(|(_, value)| value.into_owned()),
    };
    let fits = given.is_some_and(|given| given.as_bytes().ct_eq(wanted.as_bytes()).into());
    if fits {
        Ok(())
    } else {
        Err(PageError::Forbidden("the form is not of this session; load the page again. Nothing was done"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_names_are_ours() {
        let ours = ["lab-a".to_owned(), "192.168.7.4".to_owned(), "fe80::1".to_owned()];
        for host in ["localhost:4080", "127.0.0.1", "[::1]:4080", "LAB-A:1", "192.168.7.4:4080", "[fe80::1]", "lab-a."]
        {
            assert!(is_ours(host, &ours), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example:4080", "127.0.0.1.nip.io", "[::2]:4080", "lab-b:4080"]
        {
            assert!(!is_ours(host, &ours), "{host}");
        }
    }
}
