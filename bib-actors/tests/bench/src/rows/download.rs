//! `grpc-download`: a large file through the API over TLS, beside curl from nginx over TLS.

use super::{Place, hash, noise, rate};
use crate::context::Ctx;
use crate::measure::{beside, seconds};
use crate::peers::nginx::Nginx;
use crate::peers::{debian, run as run_peer};
use crate::report::{Better, Row};
use anyhow::ensure;
use bib_proto::client::Client;
use bib_proto::v1::DownloadRequest;
use bib_proto::v1::download_response::Part;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// One peer.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    debian("curl", "curl")?;
    let place = Place::new()?;
    let (served, conf) = (place.path("served"), place.path("nginx"));
    std::fs::create_dir(&served)?;
    std::fs::create_dir(&conf)?;
    let source = served.join("large.bin");
    noise(&source, 61, ctx.mib)?;
    place.upload(&source, "large")?;
    let nginx = Nginx::serve(&conf, &served, true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = runtime.block_on(place.remote())?;
    let expected = hash(&source)?;
    let target = place.path("got.bin");
    let proved = |took: f64| {
        ensure!(hash(&target)? == expected, "the download is another file");
        std::fs::remove_file(&target)?;
        Ok(rate(ctx.mib, took))
    };
    let measured = beside(
        ctx,
        |_| proved(seconds(|| runtime.block_on(download(&client, &target)))?.1),
        |_| {
            let mut command = Command::new("curl");
            command.args(["-s", "-S", "-f", "-k", "-o"]).arg(&target);
            command.arg(format!("https://127.0.0.1:{}/large.bin", nginx.port));
            proved(seconds(|| run_peer(&mut command))?.1)
        },
    )?;
    let row = Row::new("grpc-download", "curl, nginx", "MB/s", Better::Higher, 0.6, measured);
    Ok(vec![row.remark("both write a file and do not sync it; nginx checks no hash")])
}

async fn download(client: &Client, target: &Path) -> anyhow::Result<()> {
    let mut out = File::create(target)?;
    let request = DownloadRequest { dataset: "bench/large".to_owned(), ..DownloadRequest::default() };
    let mut parts = client.datasets().download(request).await?.into_inner();
    while let Some(part) = parts.message().await? {
        if let Some(Part::Data(data)) = part.part {
            out.write_all(&data)?;
        }
    }
    Ok(())
}
