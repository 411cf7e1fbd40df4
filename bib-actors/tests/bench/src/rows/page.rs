//! `page`: a page with a table of a large dataset, beside nginx that serves the same page as a file.

use super::{Place, float};
use crate::context::Ctx;
use crate::http::Http;
use crate::measure::{Side, in_turn, percentile, seconds};
use crate::peers::duckdb::DuckDb;
use crate::peers::nginx::Nginx;
use crate::report::{Better, Row};
use anyhow::{Context, ensure};
use bib_node_tests::until;
use std::time::Duration;

/// Rows of the table.
const ROWS: usize = 1_000_000;
/// Rows of a page.
const EACH: usize = 100;
/// Readers at the same time.
const READERS: usize = 16;
/// Pages of each reader in a round.
const PAGES: usize = 40;
/// What the slowest of a hundred pages may take with so many readers, in milliseconds.
const BOUND: f64 = 25.0;
/// How long the statistics of the table may take to be there.
const STATISTICS: Duration = Duration::from_secs(120);

/// The median alone, and the 99th percentile with others.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let place = Place::new()?;
    let count = ctx.size(ROWS, 20_000);
    drop(DuckDb::start(ctx, &place.path(""), count, false)?);
    place.upload(&place.path("table.parquet"), "table")?;
    let port = place.node.web().port();
    let cookie = sign_in(&place, port)?;
    let table = "/datasets/bench/table/v/1/table";
    let mut first = Vec::new();
    // the page of a table that nobody has looked at says that its statistics are being made
    until("the page has the table's statistics", STATISTICS, || {
        let page = Http::connect(port).and_then(|mut http| http.get(&format!("{table}?stats=wait"), &cookie));
        page.is_ok_and(|page| {
            first = page.body;
            page.status == 200
        })
    })?;
    let shown = String::from_utf8_lossy(&first).matches("site_").count();
    ensure!(shown >= EACH, "the page shows {shown} of {EACH} rows");

    let (served, conf) = (place.path("served"), place.path("nginx"));
    std::fs::create_dir(&served)?;
    std::fs::create_dir(&conf)?;
    std::fs::write(served.join("page.html"), &first)?;
    let nginx = Nginx::serve(&conf, &served, false)?;
    let last = count / EACH;
    let ours: Side<'_> = Box::new(|round| {
        let mut alone = read(port, &cookie, |_| table.to_owned())?;
        // everybody at pages of his own, and other ones in each round
        let page = |reader: usize, at: usize| (round * 7_919 + reader * 6_151 + at * 104_729) % last + 1;
        let readers = std::thread::scope(|scope| {
            let reading: Vec<_> = (0..READERS)
                .map(|reader| {
                    let (cookie, page) = (&cookie, &page);
                    scope.spawn(move || read(port, cookie, |at| format!("{table}?page={}", page(reader, at))))
                })
                .collect();
            reading.into_iter().map(|reader| reader.join().expect("a reader")).collect::<anyhow::Result<Vec<_>>>()
        })?;
        let mut together = readers.concat();
        Ok(vec![percentile(&mut alone, 50), percentile(&mut together, 99) / 1e3])
    });
    let peer: Side<'_> =
        Box::new(|_| Ok(vec![percentile(&mut read(nginx.port, "", |_| "/page.html".to_owned())?, 50)]));
    let measured = in_turn(ctx, vec![ours, peer])?;
    let size = float(first.len()) / 1e3;
    Ok(vec![
        Row::new("page", "nginx", "us", Better::Lower, 0.1, measured.beside(1, 0))
            .remark(format!("p50 of one reader; nginx serves the same {size:.0} kB from a file, signed in nobody")),
        Row::new("page.16", "bound", "ms", Better::Lower, 1.0, measured.bound(1, BOUND))
            .remark(format!("p99 of {READERS} readers, each page another one")),
    ])
}

/// Microseconds of each page that one reader reads.
fn read(port: u16, cookie: &str, path: impl Fn(usize) -> String) -> anyhow::Result<Vec<f64>> {
    let mut http = Http::connect(port)?;
    let each = |at: usize| {
        let (page, took) = seconds(|| http.get(&path(at), cookie))?;
        ensure!(page.status == 200 && page.body.len() > EACH, "{} answers {}", path(at), page.status);
        Ok(took * 1e6)
    };
    (0..PAGES).map(each).collect()
}

/// The cookie of a session that `bib ui` begins.
fn sign_in(place: &Place, port: u16) -> anyhow::Result<String> {
    let link = place.node.bib(&["ui", "--print-url", "-q"])?.ok()?.stdout;
    let path = link.trim().find("/auth/").map(|at| &link.trim()[at..]).context("a link with a path")?;
    let answer = Http::connect(port)?.get(path, "")?;
    let cookie = answer.cookie();
    ensure!(!cookie.is_empty(), "the link of bib ui answers {} without a cookie", answer.status);
    Ok(cookie.to_owned())
}
