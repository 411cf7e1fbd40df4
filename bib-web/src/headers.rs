//! Response headers that every answer carries: nothing but our own files is loaded, nothing is cached, framed or
//! sniffed, and no address leaks to another site.

use actix_web::middleware::DefaultHeaders;

/// What a page may load: our own scripts, styles and images, and nothing that stands in the page itself.
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers; an answer that needs others sets them itself.
pub(crate) fn defaults() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("cache-control", "no-store"))
        .add(("content-security-policy", POLICY))
        .add(("cross-origin-opener-policy", "same-origin"))
        .add(("cross-origin-resource-policy", "same-origin"))
        .add(("permissions-policy", "camera=(), geolocation=(), microphone=()"))
        // not "no-referrer": browsers then hide from us where our own forms come from
        .add(("referrer-policy", "same-origin"))
        .add(("x-content-type-options", "nosniff"))
        .add(("x-frame-options", "DENY"))
}
