//! `bib dataset download NAME`.

use super::free::check_free;
use super::partial::Partial;
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted};
use crate::progress::Progress;
use crate::session::Env;
use bib_proto::client::Client;
use bib_proto::v1::download_response::Part;
use bib_proto::v1::{DownloadRequest, Entry, Version};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Which version, and where to.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  bib dataset download flights/2013\n  bib dataset download flights/2013 --version 1 --out ./first"
)]
pub(crate) struct Args {
    /// TOPIC/DATASET
    name: String,
    /// Number, id or unique beginning of the id [default: the latest]
    #[arg(long, default_value = "")]
    version: String,
    /// Folder to make [default: the dataset's name]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only this file, or this folder with all that is in it; may be given more than once
    #[arg(long = "include", value_name = "PATH")]
    paths: Vec<String>,
    /// Say what would be fetched, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Downloads into a new folder, which appears under its name when all of it is there and checked; into an empty one that
/// is there, everything is moved then.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let last = args.name.rsplit('/').next().unwrap_or(&args.name);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(last));
    if let Some(hint) = check_free(&out)? {
        env.out.remark(&hint);
    }
    let client = env.client().await?;
    if args.dry_run {
        return plan(env, &client, &args, &out).await;
    }
    let request = DownloadRequest { dataset: args.name, version: args.version, paths: args.paths };
    let got = env.long(fetch(env, client, request, &out)).await?;
    let record = json!({"name": got.version.dataset, "version": got.version.id, "path": out.to_string_lossy(),
        "files": got.files, "bytes": got.bytes});
    env.out.remark(&format!("{}, {}, every hash checked", counted(got.files, "file"), bytes(got.bytes)));
    env.out.object(&record, || out.display().to_string())?;
    Ok(())
}

async fn plan(env: &Env, client: &Client, args: &Args, out: &Path) -> CliResult {
    let answer = env.call(client.whole_version(&args.name, &args.version)).await?;
    let version = answer.version.unwrap_or_default();
    let wanted = |entry: &&Entry| args.paths.is_empty() || args.paths.iter().any(|path| is_in(&entry.path, path));
    let chosen: Vec<&Entry> = answer.entries.iter().filter(|entry| entry.kind == "file").filter(wanted).collect();
    if let Some(path) = args.paths.iter().find(|path| !answer.entries.iter().any(|entry| is_in(&entry.path, path))) {
        return Err(CliError::new(Exit::NotFound, format!("there is no {path:?} in this version"))
            .because("FILE_NOT_FOUND")
            .hint(format!("see its files: bib dataset get {}", args.name)));
    }
    let (files, total) = (chosen.len() as u64, chosen.iter().map(|entry| entry.size).sum::<u64>());
    let record = json!({"name": version.dataset, "version": version.id, "path": out.to_string_lossy(),
        "files": files, "bytes": total, "complete": version.complete, "dryRun": true});
    let (files, total) = (counted(files, "file"), bytes(total));
    env.out.object(&record, || {
        format!("would write {files}, {total}, of {} v{} to {}", version.dataset, version.number, out.display())
    })?;
    Ok(())
}

/// Whether an entry is what was wanted, or lies in it: as the node chooses.
fn is_in(path: &str, wanted: &str) -> bool {
    path.strip_prefix(wanted.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

struct Got {
    version: Version,
    files: u64,
    bytes: u64,
}

async fn fetch(env: &Env, client: Client, request: DownloadRequest, out: &Path) -> CliResult<Got> {
    let mut stream = client.datasets().download(request).await?.into_inner();
    let mut progress = Progress::new(&env.global, "download", 0);
    let mut folder = Partial::make(out)?;
    let mut version = Version::default();
    let (mut bytes, mut name) = (0_u64, String::new());
    while let Some(answer) = stream.message().await? {
        // a signal is heeded, too, where bytes come faster than they are written
        tokio::task::yield_now().await;
        match answer.part {
            Some(Part::Version(told)) => {
                progress.set_total(told.bytes);
                version = told;
            }
            Some(Part::Entry(entry)) => {
                name.clone_from(&entry.path);
                folder.begin(entry)?;
            }
            Some(Part::Data(data)) => {
                bytes += data.len() as u64;
                progress.set(bytes, &name);
                folder.write(&data)?;
            }
            None => {}
        }
    }
    progress.finish();
    let files = folder.publish(out)?;
    Ok(Got { version, files, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_what_is_in_it() {
        for wanted in ["raw", "raw/", "raw/2024", "raw/2024/a.csv"] {
            assert!(is_in("raw/2024/a.csv", wanted), "{wanted}");
        }
        for wanted in ["raw/2", "raw/2024/a", "2024", "raw/2024/a.csv/b", "/", "/raw"] {
            assert!(!is_in("raw/2024/a.csv", wanted), "{wanted}");
        }
    }
}
