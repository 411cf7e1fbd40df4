//! `bib dataset download NAME`.

use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted};
use crate::progress::Progress;
use crate::session::Env;
use crate::settings::sync_folder;
use bib_proto::client::Client;
use bib_proto::v1::download_response::Part;
use bib_proto::v1::{DownloadRequest, Entry, Version};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
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
    /// Only this path; may be given more than once
    #[arg(long = "include", value_name = "PATH")]
    paths: Vec<String>,
    /// Say what would be fetched, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Downloads into a new folder, which appears under its name when all of it is there and checked.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let last = args.name.rsplit('/').next().unwrap_or(&args.name);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(last));
    let taken = std::fs::symlink_metadata(&out).is_ok();
    if taken && std::fs::read_dir(&out).map_or(true, |mut entries| entries.next().is_some()) {
        return Err(CliError::new(
            Exit::Conflict,
            format!("{} is there already and not an empty folder", out.display()),
        )
        .hint("name another folder: --out DIR"));
    }
    let client = env.client().await?;
    if args.dry_run {
        return plan(env, &client, &args, &out).await;
    }
    let request = DownloadRequest { dataset: args.name, version: args.version, paths: args.paths };
    let got = env.long(fetch(env, client, request, &out)).await?;
    let record = json!({"name": got.version.dataset, "version": got.version.id, "path": out, "files": got.files, "bytes": got.bytes});
    env.out.remark(&format!("{}, {}, every hash checked", counted(got.files, "file"), bytes(got.bytes)));
    env.out.object(&record, || out.display().to_string())?;
    Ok(())
}

async fn plan(env: &Env, client: &Client, args: &Args, out: &Path) -> CliResult {
    let answer = env.call(client.whole_version(&args.name, &args.version)).await?;
    let version = answer.version.unwrap_or_default();
    let wanted = |entry: &&Entry| args.paths.is_empty() || args.paths.contains(&entry.path);
    let chosen: Vec<&Entry> = answer.entries.iter().filter(|entry| entry.kind == "file").filter(wanted).collect();
    if let Some(path) = args.paths.iter().find(|path| !answer.entries.iter().any(|entry| entry.path == **path)) {
        return Err(CliError::new(Exit::NotFound, format!("there is no {path:?} in this version"))
            .because("FILE_NOT_FOUND")
            .hint(format!("see its files: bib dataset get {}", args.name)));
    }
    let (files, total) = (chosen.len() as u64, chosen.iter().map(|entry| entry.size).sum::<u64>());
    let record = json!({"name": version.dataset, "version": version.id, "path": out, "files": files, "bytes": total,
        "complete": version.complete, "dryRun": true});
    let (files, total) = (counted(files, "file"), bytes(total));
    env.out.object(&record, || {
        format!("would write {files}, {total}, of {} v{} to {}", version.dataset, version.number, out.display())
    })?;
    Ok(())
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

/// A folder beside its final place; removed unless it is published.
struct Partial {
    path: PathBuf,
    open: Option<Open>,
    links: Vec<(PathBuf, String)>,
    modes: Vec<(PathBuf, u32)>,
    files: u64,
    published: bool,
}

struct Open {
    entry: Entry,
    file: File,
    hash: Sha256,
    size: u64,
}

impl Partial {
    fn make(out: &Path) -> CliResult<Self> {
        let name = out.file_name().and_then(|name| name.to_str()).unwrap_or("download");
        let path = out.with_file_name(format!(".{name}.part{}", std::process::id()));
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|error| cannot(parent, &error))?;
        }
        std::fs::create_dir(&path).map_err(|error| cannot(&path, &error))?;
        Ok(Self { path, open: None, links: Vec::new(), modes: Vec::new(), files: 0, published: false })
    }

    fn begin(&mut self, entry: Entry) -> CliResult {
        self.close()?;
        // the node's word on names is not taken: nothing may leave the new folder
        bib_domain::paths::check_path(&entry.path).map_err(|why| {
            CliError::new(Exit::Integrity, format!("the node sent a path that cannot be written: {why}"))
        })?;
        let path = self.path.join(&entry.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| cannot(parent, &error))?;
        }
        match entry.kind.as_str() {
            "directory" => {
                std::fs::create_dir_all(&path).map_err(|error| cannot(&path, &error))?;
                self.modes.push((path, entry.mode));
            }
            // links are made last, so that no file is written through one
            "symlink" => self.links.push((path, entry.target)),
            _ => {
                let file = File::create_new(&path).map_err(|error| cannot(&path, &error))?;
                self.open = Some(Open { entry, file, hash: Sha256::new(), size: 0 });
            }
        }
        Ok(())
    }

    fn write(&mut self, data: &[u8]) -> CliResult {
        let Some(open) = &mut self.open else {
            return Err(CliError::new(Exit::Integrity, "the node sent bytes that belong to no file"));
        };
        open.hash.update(data);
        open.size += data.len() as u64;
        open.file.write_all(data).map_err(|error| cannot(Path::new(&open.entry.path), &error))
    }

    fn close(&mut self) -> CliResult {
        let Some(open) = self.open.take() else { return Ok(()) };
        let hash = format!("sha256:{}", hex::encode(open.hash.finalize()));
        if hash != open.entry.content_hash || open.size != open.entry.size {
            return Err(CliError::new(
                Exit::Integrity,
                format!(
                    "{} arrived with {} bytes and {hash}, and the manifest says {} bytes and {}",
                    open.entry.path, open.size, open.entry.size, open.entry.content_hash
                ),
            )
            .hint("download again; if it happens twice, verify on the node: bib dataset verify NAME"));
        }
        let path = self.path.join(&open.entry.path);
        open.file
            .set_permissions(Permissions::from_mode(open.entry.mode & 0o777))
            .map_err(|error| cannot(&path, &error))?;
        self.files += 1;
        Ok(())
    }

    fn publish(mut self, out: &Path) -> CliResult<u64> {
        self.close()?;
        for (path, target) in &self.links {
            symlink(target, path).map_err(|error| cannot(path, &error))?;
        }
        for (path, mode) in self.modes.iter().rev() {
            // the user can always look into what was downloaded
            std::fs::set_permissions(path, Permissions::from_mode((mode & 0o777) | 0o700))
                .map_err(|error| cannot(path, &error))?;
        }
        // one sync of everything: one a file takes milliseconds each, seconds for a folder of small ones
        File::open(&self.path)
            .and_then(|folder| Ok(rustix::fs::syncfs(folder)?))
            .map_err(|error| cannot(&self.path, &error))?;
        std::fs::rename(&self.path, out).map_err(|error| cannot(out, &error))?;
        self.published = true;
        sync_folder(out)?;
        Ok(self.files)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> CliError {
    let exit = if error.kind() == std::io::ErrorKind::StorageFull { Exit::Exhausted } else { Exit::Failed };
    CliError::new(exit, format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &[u8]) -> Entry {
        let content_hash = format!("sha256:{}", hex::encode(Sha256::digest(content)));
        Entry {
            path: path.into(),
            kind: "file".into(),
            size: content.len() as u64,
            mode: 0o640,
            content_hash,
            ..Entry::default()
        }
    }

    #[test]
    fn a_whole_folder_appears_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data");
        let mut partial = Partial::make(&out).unwrap();
        partial.begin(file("deep/a.txt", b"hello")).unwrap();
        partial.write(b"hel").unwrap();
        partial.write(b"lo").unwrap();
        partial
            .begin(Entry {
                path: "link".into(),
                kind: "symlink".into(),
                target: "deep/a.txt".into(),
                ..Entry::default()
            })
            .unwrap();
        assert!(!out.exists());
        assert_eq!(partial.publish(&out).unwrap(), 1);
        assert_eq!(std::fs::read(out.join("link")).unwrap(), b"hello");
    }

    #[test]
    fn a_lie_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("data");
        let mut partial = Partial::make(&out).unwrap();
        partial.begin(file("a.txt", b"hello")).unwrap();
        partial.write(b"hellO").unwrap();
        assert_eq!(partial.publish(&out).unwrap_err().exit, Exit::Integrity);
        let mut partial = Partial::make(&out).unwrap();
        assert_eq!(partial.begin(file("../escape", b"")).unwrap_err().exit, Exit::Integrity);
        drop(partial);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
