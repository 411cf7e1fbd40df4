//! Response headers that every answer carries: nothing is cached, framed, sniffed or allowed to run scripts.

use actix_web::middleware::DefaultHeaders;

/// The headers; a page that needs more (its own style sheet, for instance) widens the policy for itself.
pub(crate) fn defaults() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("cache-control", "no-store"))
        .add((
            "content-security-policy",
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
        .add(("referrer-policy", "no-referrer"))
        .add(("x-content-type-options", "nosniff"))
        .add(("x-frame-options", "DENY"))
}
