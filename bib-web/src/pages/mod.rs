//! The pages: one module each, with its routes, its view (what the template shows, as text) and its template.

mod audit;
mod dataset;
mod datasets;
mod history;
mod home;
mod login;
mod nodes;
mod proof;
mod query;
mod sure;
mod table;
mod topics;
mod versions;

use crate::error::PageError;
use crate::shell::see;
use crate::{assets, events};
use actix_web::{HttpRequest, HttpResponse, web};

/// The navigation: path, label, the word by which a page says that it belongs there, whether only administrators see it.
pub(crate) const NAV: [(&str, &str, &str, bool); 6] = [
    ("/", "Home", "home", false),
    ("/datasets", "Datasets", "datasets", false),
    ("/query", "Query", "query", false),
    ("/topics", "Topics", "topics", false),
    ("/nodes", "Nodes", "nodes", false),
    ("/audit", "Audit", "audit", true),
];

/// Adds every page.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    assets::configure(config);
    events::configure(config);
    login::configure(config);
    home::configure(config);
    datasets::configure(config);
    dataset::configure(config);
    history::configure(config);
    table::configure(config);
    query::configure(config);
    topics::configure(config);
    nodes::configure(config);
    audit::configure(config);
}

/// Where a form was sent to is no page. Who asks for its address, which a browser shows behind the answer, is led to the page
/// on which the form stands: each has the address of its page, and one word more.
pub(crate) async fn back(request: HttpRequest) -> HttpResponse {
    let page = request.path().rsplit_once('/').map_or("/", |(page, _)| page);
    match request.query_string() {
        "" => see(page),
        query => see(&format!("{page}?{query}")),
    }
}

/// Whatever has no page.
pub(crate) async fn nothing_here() -> Result<&'static str, PageError> {
    Err(PageError::NotFound)
}
