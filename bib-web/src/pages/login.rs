//! Signing in, by a one-time link or by a signature made by hand; signing out; the colours.

use crate::assets;
use crate::error::{Notice, PageError, status_of};
use crate::guard;
use crate::session::{self, Visitor};
use crate::shell::{Shell, THEME_COOKIE, chosen_theme, page, page_with, see, theme};
use crate::site::Web;
use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use bib_proto::client::ClientError;
use bib_proto::v1::{
    ExchangeOneTimeTokenRequest, GetSignInChallengeRequest, GetSignInChallengeResponse, LogoutRequest, SignInRequest,
};
use serde::Deserialize;

/// A year: how long chosen colours are kept.
const THEME_DAYS: i64 = 365;

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/login").route(web::get().to(show)).route(web::post().to(sign_in)))
        .route("/logout", web::post().to(sign_out))
        .route("/auth/ott", web::get().to(by_link))
        .route("/session", web::get().to(still))
        .route("/theme", web::post().to(choose_theme));
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    challenge: String,
    namespace: String,
    next: String,
    node_id: String,
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

/// Leads on to a page at once.
#[derive(Template)]
#[template(path = "led.html")]
struct LedPage {
    css: String,
    theme: &'static str,
    next: String,
}

async fn show(request: HttpRequest, web: web::Data<Web>, query: web::Query<Next>) -> HttpResponse {
    if guard::is_foreign(request.headers()) {
        // whoever follows a link on another site leaves the session's cookie behind, and may have a session all the same:
        // the page is asked for once more, this time from here, with the cookie. Without one that ends at the form
        let next = local(&query.next).to_owned();
        return page(&LedPage { css: assets::url("app.css"), theme: chosen_theme(&request), next });
    }
    form(&request, &web, &query.next, None).await
}

/// Why somebody was not let in, and the status that says so.
type Refusal = (StatusCode, Notice);

fn refusal(error: &ClientError) -> Refusal {
    (status_of(error), Notice::from(error))
}

/// The page with a fresh challenge, also after a failure: a challenge is good once.
async fn form(request: &HttpRequest, web: &Web, next: &str, failed: Option<Refusal>) -> HttpResponse {
    let given = match web.client(session::address(request), None) {
        Ok(client) => {
            client.auth().get_sign_in_challenge(GetSignInChallengeRequest {}).await.map_err(ClientError::from)
        }
        Err(error) => Err(error),
    };
    let (given, away) = match given {
        Ok(given) => (given.into_inner(), None),
        Err(error) => (GetSignInChallengeResponse::default(), Some(refusal(&error))),
    };
    let (status, alert) = failed.or(away).map_or((StatusCode::OK, None), |(status, why)| (status, Some(why)));
    let page = LoginPage {
        shell: Shell::new(request, "Sign in".to_owned(), "login").with_alert(alert),
        challenge: given.challenge,
        namespace: given.namespace,
        next: local(next).to_owned(),
        node_id: web.site.node_id.clone(),
    };
    page_with(status, &page)
}

#[derive(Deserialize)]
struct Signed {
    challenge: String,
    signature: String,
    #[serde(default)]
    next: String,
}

async fn sign_in(request: HttpRequest, web: web::Data<Web>, signed: web::Form<Signed>) -> HttpResponse {
    let signed = signed.into_inner();
    let opened = async {
        let client = web.client(session::address(&request), None)?;
        let asked = SignInRequest { challenge: signed.challenge, signature: signed.signature };
        Ok::<_, ClientError>(client.auth().sign_in(asked).await?.into_inner())
    };
    match opened.await {
        Ok(opened) => HttpResponse::SeeOther()
            .cookie(session::begin(&web, opened.token, opened.expires_ms))
            .insert_header(("location", local(&signed.next)))
            .finish(),
        Err(error) => form(&request, &web, &signed.next, Some(refusal(&error))).await,
    }
}

#[derive(Deserialize)]
struct Link {
    token: String,
    #[serde(default)]
    next: String,
}

/// Uses the link up and leads away from it, so that its token stays in no address bar.
async fn by_link(request: HttpRequest, web: web::Data<Web>, link: web::Query<Link>) -> HttpResponse {
    let link = link.into_inner();
    if guard::is_foreign(request.headers()) {
        return form(&request, &web, &link.next, Some(from_elsewhere())).await;
    }
    let opened = async {
        let client = web.client(session::address(&request), None)?;
        Ok::<_, ClientError>(
            client
                .auth()
                .exchange_one_time_token(ExchangeOneTimeTokenRequest { token: link.token })
                .await?
                .into_inner(),
        )
    };
    match opened.await {
        Ok(opened) => HttpResponse::SeeOther()
            .cookie(session::begin(&web, opened.token, opened.expires_ms))
            .insert_header(("location", local(&link.next)))
            .insert_header(("referrer-policy", "no-referrer"))
            .finish(),
        Err(error) => form(&request, &web, &link.next, Some(refusal(&error))).await,
    }
}

/// Another site could lead to a link of its own, and so sign a person in as somebody else. The link stays good: whoever
/// means it opens it by hand, which no site can do.
fn from_elsewhere() -> Refusal {
    let text = "Another site led to this sign-in link, which may be somebody else's, so it was not used. If it is yours, \
                open it by hand: copy it into the address bar.";
    (StatusCode::FORBIDDEN, Notice::new(text, "click into the address bar and press Enter"))
}

/// The session ends in the node, then in the browser. When the node cannot be reached, it is not said to have ended.
async fn sign_out(visitor: Visitor, web: web::Data<Web>) -> Result<HttpResponse, PageError> {
    visitor.client.auth().logout(LogoutRequest {}).await?;
    Ok(HttpResponse::SeeOther()
        .cookie(session::end(&web))
        .insert_header(("location", "/login?done=signed-out"))
        .finish())
}

/// For a script that wants to know whether it is signed in: nothing, or the way to the sign-in.
async fn still(_visitor: Visitor) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

#[derive(Deserialize)]
struct Theme {
    theme: String,
    #[serde(default)]
    to: String,
}

async fn choose_theme(web: web::Data<Web>, chosen: web::Form<Theme>) -> HttpResponse {
    let theme = theme(&chosen.theme);
    let age = if theme.is_empty() { time::Duration::ZERO } else { time::Duration::days(THEME_DAYS) };
    let cookie = Cookie::build(THEME_COOKIE, theme)
        .path("/")
        .secure(web.site.tls)
        .same_site(SameSite::Strict)
        .max_age(age)
        .finish();
    let mut answer = see(local(&chosen.to));
    // a cookie of our own making is a cookie
    drop(answer.add_cookie(&cookie));
    answer
}

/// A path of ours, or the first page: an address must not lead to another site, nor to a sign-in link, which may be somebody
/// else's.
fn local(path: &str) -> &str {
    let fine = path.starts_with('/')
        && !path.starts_with("//")
        && !path.starts_with("/\\")
        && path.bytes().all(|byte| byte.is_ascii_graphic())
        && first_word(path).is_some_and(|word| word != "auth" && !word.contains('%'));
    if fine { path } else { "/" }
}

/// The first word of a path as a browser reads it: without dots that lead elsewhere. Those of our pages are plain.
fn first_word(path: &str) -> Option<String> {
    let address = url::Url::parse("http://localhost").ok()?.join(path).ok()?;
    address.path_segments()?.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_to_another_site() {
        for path in ["/", "/datasets?topic=a%20b", "/datasets/a%2Fb", "/query?q=%2Fauth%2Fott", "/authors"] {
            assert_eq!(local(path), path);
        }
        for path in ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nset-cookie: x"] {
            assert_eq!(local(path), "/", "{path:?}");
        }
    }

    #[test]
    fn nothing_leads_to_a_sign_in_link() {
        for path in [
            "/auth/ott?token=x",
            "/./auth/ott?token=x",
            "/topics/../auth/ott?token=x",
            "/topics/%2e%2E/auth/ott?token=x",
            "/.\\auth/ott?token=x",
            "/topics\\..\\auth\\ott?token=x",
            "/%61uth/ott?token=x",
            "/auth%2fott?token=x",
        ] {
            assert_eq!(local(path), "/", "{path:?}");
        }
    }
}
