//! Style sheet, scripts and image, in the program itself. Each is served under a name with its hash in it, so that a
//! browser may keep it for ever.

use actix_web::{HttpResponse, Responder, http::header, web};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
    url: String,
}

macro_rules! assets {
    ($($name:literal: $media:literal, $file:literal;)*) => {
        [$(Asset::new($name, $media, include_bytes!(concat!("../assets/", $file)))),*]
    };
}

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    assets! {
        "app.css": "text/css; charset=utf-8", "app.css";
        "bib.js": "text/javascript; charset=utf-8", "bib.js";
        "bib-live.js": "text/javascript; charset=utf-8", "bib-live.js";
        "htmx.js": "text/javascript; charset=utf-8", "vendor/htmx-2.0.11/htmx.min.js";
        "idiomorph.js": "text/javascript; charset=utf-8", "vendor/idiomorph-0.8.0/idiomorph-ext.min.js";
        "mark.svg": "image/svg+xml", "mark.svg";
    }
});

impl Asset {
    fn new(name: &'static str, media: &'static str, bytes: &'static [u8]) -> Self {
        let hash = hex::encode(&Sha256::digest(bytes)[..8]);
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        Self { name, media, bytes, url: format!("/assets/{stem}.{hash}.{ending}") }
    }
}

/// Where an asset is served.
pub(crate) fn url(name: &str) -> String {
    let found = ASSETS.iter().find(|asset| asset.name == name);
    debug_assert!(found.is_some(), "there is no asset {name}");
    found.map(|asset| asset.url.clone()).unwrap_or_default()
}

/// Adds the routes.
pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config.route("/assets/{file}", web::get().to(serve)).route("/favicon.ico", web::get().to(icon));
}

async fn serve(path: web::Path<String>) -> impl Responder {
    let wanted = format!("/assets/{path}");
    match ASSETS.iter().find(|asset| asset.url == wanted) {
        Some(asset) => HttpResponse::Ok()
            .content_type(asset.media)
            .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .body(asset.bytes),
        None => HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("there is no such file\n"),
    }
}

async fn icon() -> impl Responder {
    HttpResponse::MovedPermanently().insert_header((header::LOCATION, url("mark.svg"))).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// Where this package's sources are: a cached build may have been made from another copy of them.
    fn package_dir() -> PathBuf {
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
    }

    #[test]
    fn vendored_files_are_what_their_list_says() {
        let folder = package_dir().join("assets/vendor");
        let list = std::fs::read_to_string(folder.join("vendor.json")).unwrap();
        let list: Vec<serde_json::Value> = serde_json::from_str(&list).unwrap();
        assert!(!list.is_empty());
        for entry in &list {
            let text = |key: &str| entry[key].as_str().unwrap_or_else(|| panic!("{entry} has no {key}")).to_owned();
            let file = folder.join(text("file"));
            let found = hex::encode(Sha256::digest(std::fs::read(&file).unwrap()));
            assert_eq!(found, text("sha256"), "{} was changed", file.display());
            assert!(file.with_file_name("LICENSE").is_file(), "{} has no licence beside it", file.display());
            for key in ["name", "version", "licence", "tarball", "path"] {
                assert!(!text(key).is_empty());
            }
        }
        let folders = std::fs::read_dir(&folder).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
        assert_eq!(folders, list.len(), "a vendored folder is not in the list");
    }

    #[test]
    fn scripts_fit_the_budget_of_a_first_page() {
        let all: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(all < 200 * 1024, "{all} bytes before compression");
    }
}
