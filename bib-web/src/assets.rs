//! Style sheet, scripts and image, in the program itself. Each is served under a name with its hash in it, so that a
//! browser may keep it for ever, and packed for a browser that takes it so.

use actix_web::{HttpRequest, HttpResponse, Responder, http::header, web};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::sync::{LazyLock, OnceLock};

/// How assets are packed; what comes first is smaller.
const CODINGS: [(&str, Packer); 2] = [("br", by_brotli), ("gzip", by_gzip)];

type Packer = fn(&[u8]) -> io::Result<Vec<u8>>;

struct Asset {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
    url: String,
    /// In each coding, once somebody has asked for it so. Empty where that failed.
    packed: [OnceLock<Vec<u8>>; CODINGS.len()],
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
        Self { name, media, bytes, url: format!("/assets/{stem}.{hash}.{ending}"), packed: Default::default() }
    }

    /// The bytes in the best coding that is accepted, with its name; as they are where there is none.
    fn sent(&self, accepted: &str) -> (&[u8], Option<&'static str>) {
        for ((coding, pack), kept) in CODINGS.into_iter().zip(&self.packed) {
            if accepts(accepted, coding) {
                let packed = kept.get_or_init(|| pack(self.bytes).unwrap_or_default());
                if !packed.is_empty() {
                    return (packed, Some(coding));
                }
            }
        }
        (self.bytes, None)
    }
}

fn by_brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 18);
    packer.write_all(bytes)?;
    Ok(packer.into_inner())
}

fn by_gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes)?;
    packer.finish()
}

/// Whether `Accept-Encoding` has the coding.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let never =
            weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()).is_some_and(|q: f32| q <= 0.0);
        name.trim().eq_ignore_ascii_case(coding) && !never
    })
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

async fn serve(request: HttpRequest, path: web::Path<String>) -> impl Responder {
    let wanted = format!("/assets/{path}");
    let Some(asset) = ASSETS.iter().find(|asset| asset.url == wanted) else {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("there is no such file\n");
    };
    let accepted = request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let (bytes, coding) = asset.sent(accepted.unwrap_or_default());
    let mut answer = HttpResponse::Ok();
    answer
        .content_type(asset.media)
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::VARY, "accept-encoding"));
    if let Some(coding) = coding {
        answer.insert_header((header::CONTENT_ENCODING, coding));
    }
    answer.body(bytes)
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

    #[actix_web::test]
    async fn a_browser_gets_them_as_small_as_it_takes_them() {
        let app = actix_web::test::init_service(actix_web::App::new().configure(configure)).await;
        for (accepted, expected) in [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("br;q=0, GZIP;q=0.5", "gzip"),
            ("br;q=0.0, identity", ""),
            ("brotli", ""),
            ("", ""),
        ] {
            let mut sent = 0;
            for asset in ASSETS.iter() {
                let request = actix_web::test::TestRequest::get().uri(&asset.url);
                let request = request.insert_header(("accept-encoding", accepted)).to_request();
                let answer = actix_web::test::call_service(&app, request).await;
                let header =
                    |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
                assert_eq!(
                    (header("content-encoding").as_str(), header("vary").as_str()),
                    (expected, "accept-encoding")
                );
                assert!(header("cache-control").contains("immutable") && header("content-type") == asset.media);
                let body = actix_web::test::read_body(answer).await;
                sent += body.len();
                assert!(unpacked(expected, &body) == asset.bytes, "{} as {expected}", asset.name);
            }
            let most = if expected.is_empty() { 200 } else { 45 } * 1024;
            assert!(sent < most, "{sent} bytes as {expected}");
        }
    }

    fn unpacked(coding: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        match coding {
            "br" => std::io::copy(&mut brotli::Decompressor::new(body, 4096), &mut bytes).unwrap(),
            "gzip" => std::io::copy(&mut flate2::read::GzDecoder::new(body), &mut bytes).unwrap(),
            _ => std::io::copy(&mut &*body, &mut bytes).unwrap(),
        };
        bytes
    }

    #[test]
    fn scripts_fit_the_budget_of_a_first_page() {
        let all: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(all < 200 * 1024, "{all} bytes before compression");
    }
}
