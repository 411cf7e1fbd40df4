//! What every page has around its own content: names, navigation, messages, and how it keeps itself up to date.

use crate::assets;
use crate::error::Notice;
use crate::session;
use crate::site::Web;
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use askama::Template;

/// The cookie in which a hand-chosen colour scheme is kept.
pub(crate) const THEME_COOKIE: &str = "bib-theme";

/// The frame of a page; `layout.html` shows it.
pub(crate) struct Shell {
    /// The page's title.
    pub(crate) title: String,
    /// Which entry of the navigation is current.
    pub(crate) nav: &'static str,
    /// The node's name.
    pub(crate) node: String,
    /// Whether the node keeps data: a proxy does not.
    pub(crate) keeps: bool,
    /// Who has signed in; empty if nobody.
    pub(crate) user: String,
    /// As what.
    pub(crate) role: String,
    /// What forms carry.
    pub(crate) csrf: String,
    /// `light` or `dark` if chosen by hand, else empty.
    pub(crate) theme: &'static str,
    /// Path and query of this page.
    pub(crate) here: String,
    /// What was just done.
    pub(crate) done: String,
    /// What went wrong.
    pub(crate) alert: Option<Notice>,
    /// When the live part is fetched again, as htmx reads it; empty if there is none.
    pub(crate) live: String,
    /// The same on the command line.
    pub(crate) cli: String,
}

impl Shell {
    /// The frame for a request, without a person.
    pub(crate) fn new(request: &HttpRequest, title: String, nav: &'static str) -> Self {
        let web = request.app_data::<web::Data<Web>>();
        let node = web.map(|web| web.site.node_name.clone()).unwrap_or_default();
        // also where the session has ended, and the browser does not know it yet
        let csrf = web.and_then(|web| session::token(request, web)).map(|token| session::csrf(&token));
        let here = request.uri().path_and_query().map_or("/", |here| here.as_str()).to_owned();
        Self {
            title,
            nav,
            node,
            keeps: web.is_none_or(|web| web.site.keeps),
            user: String::new(),
            role: String::new(),
            csrf: csrf.unwrap_or_default(),
            theme: chosen_theme(request),
            done: done(&here),
            here,
            alert: None,
            live: String::new(),
            cli: String::new(),
        }
    }

    /// The live part is fetched again when something of these kinds changes: topics, datasets, peers, transfers, health.
    #[must_use]
    pub(crate) fn live_on(mut self, kinds: &[&str]) -> Self {
        let mut triggers: Vec<String> = kinds.iter().map(|kind| format!("bib:{kind} from:body")).collect();
        triggers.push("bib:resync from:body".to_owned());
        self.live = triggers.join(", ");
        self
    }

    /// Shows the same as a command line, to copy.
    #[must_use]
    pub(crate) fn same_as(mut self, cli: impl Into<String>) -> Self {
        self.cli = cli.into();
        self
    }

    /// Shows what went wrong above the page.
    #[must_use]
    pub(crate) fn with_alert(mut self, alert: Option<Notice>) -> Self {
        self.alert = alert;
        self
    }

    /// Where an asset is served.
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// `aria-current` for the navigation.
    pub(crate) fn current(&self, nav: &str) -> &'static str {
        if self.nav == nav { "page" } else { "false" }
    }
}

/// One of the two schemes, or empty.
pub(crate) fn theme(text: &str) -> &'static str {
    match text {
        "light" => "light",
        "dark" => "dark",
        _ => "",
    }
}

/// The scheme that was chosen by hand in this browser, or empty.
pub(crate) fn chosen_theme(request: &HttpRequest) -> &'static str {
    request.cookie(THEME_COOKIE).map_or("", |cookie| theme(cookie.value()))
}

/// What `?done=` stands for. A fixed list: an address cannot put words into our mouth.
fn done(here: &str) -> String {
    let query = here.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let word = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "done");
    let text = match word.as_ref().map(|(_, word)| word.as_ref()) {
        Some("created") => "The topic is there.",
        Some("subscribed") => "Subscribed. New versions arrive by themselves.",
        Some("unsubscribed") => "Unsubscribed. What is here stays; nothing new arrives.",
        Some("connected") => "Connected.",
        Some("disconnected") => "Disconnected. A paired node may connect again.",
        Some("forgotten") => "Forgotten. The other node knows this one until it forgets it, too.",
        Some("joined") => "The two nodes are paired.",
        Some("signed-out") => "Signed out.",
        _ => "",
    };
    text.to_owned()
}

/// A page as an answer.
pub(crate) fn page(template: &impl Template) -> HttpResponse {
    page_with(StatusCode::OK, template)
}

/// A page with a status of its own.
pub(crate) fn page_with(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(text) => HttpResponse::build(status).content_type("text/html; charset=utf-8").body(text),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            HttpResponse::InternalServerError().body("the page could not be made; the node's log says why\n")
        }
    }
}

/// Leads on after something was done.
pub(crate) fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("location", path)).finish()
}
