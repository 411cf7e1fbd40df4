//! `bib dataset upload FILE|DIR|-`.

use super::walk::{Found, Kind, shown, special, walk};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted};
use crate::progress::{Progress, UPLOAD};
use crate::session::Env;
use crate::views;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{Entry, GetTopicRequest, UploadEnd, UploadHeader, UploadRequest, UploadResponse};
use rustix::fs::OFlags;
use serde_json::{Value, json};
use std::fs::{File, Metadata};
use std::io::{IsTerminal, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes in one message of the stream.
const PART_BYTES: usize = 256 << 10;
/// Messages that wait between the disk and the network.
const PARTS_AHEAD: usize = 16;
/// The path that means standard input.
const STANDARD_INPUT: &str = "-";

/// What to put in, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib dataset upload ./measurements --topic weather --name stations\n  \
    bib dataset upload flights.parquet --topic flights --name 2013 --message \"from nycflights13\"\n  \
    zcat stations.csv.gz | bib dataset upload - --topic weather --name stations --file stations.csv")]
pub(crate) struct Args {
    /// A file or a folder; - for standard input
    path: PathBuf,
    /// Topic that the dataset belongs to; make it with `bib topic create`
    #[arg(long)]
    topic: String,
    /// Name of the dataset [default: the file's name without its ending]
    #[arg(long)]
    name: Option<String>,
    /// What the file is called in the dataset, where it comes from standard input
    #[arg(long, value_name = "FILE", default_value = "data")]
    file: String,
    /// What is new in this version
    #[arg(short, long, default_value = "")]
    message: String,
    /// Keep tables that cannot be read as tables, as plain bytes
    #[arg(long)]
    allow_broken_tables: bool,
    /// Say what would be put in, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Uploads; prints the version.
pub(super) async fn run(env: &Env, args: Args) -> CliResult {
    let piped = args.path == Path::new(STANDARD_INPUT);
    let name = match &args.name {
        Some(name) => name.clone(),
        None if piped => {
            return Err(CliError::usage("standard input gives the dataset no name").hint("say it: --name NAME"));
        }
        None => derive_name(&args.path)?,
    };
    let dataset: bib_domain::DatasetRef = format!("{}/{name}", args.topic)
        .parse()
        .map_err(|error: bib_domain::NameError| CliError::usage(error.to_string()).because("BAD_NAME"))?;
    let found = if piped { vec![standard_input(env, &args)?] } else { list(&args.path).await? };
    let total: u64 = found.iter().map(|item| item.size).sum();
    let files = found.iter().filter(|item| item.kind == Kind::File).count();
    if args.dry_run {
        let client = env.client().await?;
        env.call(client.topics().get_topic(GetTopicRequest { name: args.topic })).await?;
        let record = json!({"name": dataset.to_string(), "files": files, "bytes": total, "dryRun": true});
        env.out.object(&record, || {
            if piped {
                return format!("would put standard input into dataset/{dataset} as {}", args.file);
            }
            format!("would put {}, {}, into dataset/{dataset}", counted(files as u64, "file"), bytes(total))
        })?;
        return Ok(());
    }
    let header = UploadHeader {
        dataset: dataset.to_string(),
        message: args.message,
        request_id: env.request_id()?,
        allow_broken_tables: args.allow_broken_tables,
    };
    let answer = env.long(Box::pin(send(env, header, found, total))).await?;
    show(env, &answer)
}

async fn list(path: &Path) -> CliResult<Vec<Found>> {
    let folder = path.to_owned();
    tokio::task::spawn_blocking(move || walk(&folder))
        .await
        .map_err(|error| CliError::new(Exit::Failed, format!("cannot list {}: {error}", path.display())))?
}

/// What is piped in becomes one file, whose size is known only at its end.
fn standard_input(env: &Env, args: &Args) -> CliResult<Found> {
    bib_domain::paths::check_path(&args.file)
        .map_err(|why| CliError::usage(format!("--file: {why}")).hint("for example: --file stations.csv"))?;
    if std::io::stdin().is_terminal() {
        env.out.remark("reading standard input until Ctrl-D");
    }
    let (path, source) = (args.file.clone(), PathBuf::from(STANDARD_INPUT));
    Ok(Found { path, source, kind: Kind::File, size: 0, mode: 0o644, named: true })
}

fn derive_name(path: &Path) -> CliResult<String> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let stem = whole.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
    if stem.parse::<bib_domain::DatasetName>().is_ok() {
        return Ok(stem);
    }
    Err(CliError::usage(format!("{} does not give a dataset name", path.display())).hint("say it: --name NAME"))
}

async fn send(env: &Env, header: UploadHeader, found: Vec<Found>, total: u64) -> CliResult<UploadResponse> {
    let client = env.client().await?;
    let (parts, stream) = mpsc::channel(PARTS_AHEAD);
    let (seen, mut progressed) = mpsc::channel::<(u64, String)>(PARTS_AHEAD);
    let reader = tokio::task::spawn_blocking(move || read_all(header, &found, &parts, &seen));
    let mut datasets = client.datasets();
    let call = datasets.upload(ReceiverStream::new(stream));
    tokio::pin!(call);
    let mut progress = Progress::new(&env.global, UPLOAD, total);
    let answer = loop {
        tokio::select! {
            answer = &mut call => break answer,
            Some((more, name)) = progressed.recv() => progress.advance(more, &name),
        }
    };
    progress.finish();
    drop(progressed);
    // a file that cannot be read is the reason, whatever the node then says about a stream that ended early
    match reader.await {
        Ok(Err(Some(error))) => return Err(error),
        Ok(Ok(()) | Err(None)) => {}
        Err(error) => return Err(CliError::new(Exit::Failed, format!("reading stopped: {error}"))),
    }
    Ok(answer?.into_inner())
}

/// Reads every file into the stream. `Err(None)`: the node hung up first, and says why itself.
fn read_all(
    header: UploadHeader,
    found: &[Found],
    parts: &mpsc::Sender<UploadRequest>,
    seen: &mpsc::Sender<(u64, String)>,
) -> Result<(), Option<CliError>> {
    let put = |part: Part| parts.blocking_send(UploadRequest { part: Some(part) }).map_err(|_| None);
    put(Part::Header(header))?;
    let mut end = UploadEnd::default();
    for item in found {
        let (kind, target) = match &item.kind {
            Kind::File => ("file", String::new()),
            Kind::Directory => ("directory", String::new()),
            Kind::Symlink(target) => ("symlink", target.clone()),
        };
        let (path, kind) = (item.path.clone(), kind.to_owned());
        put(Part::Entry(Entry { path, kind, size: item.size, mode: item.mode, target, ..Entry::default() }))?;
        end.entries += 1;
        if item.kind == Kind::File {
            end.bytes += send_file(item, &put, seen)?;
        }
    }
    put(Part::End(end))
}

fn send_file(
    item: &Found,
    put: &impl Fn(Part) -> Result<(), Option<CliError>>,
    seen: &mpsc::Sender<(u64, String)>,
) -> Result<u64, Option<CliError>> {
    if item.source == Path::new(STANDARD_INPUT) {
        return send_input(item, put, seen);
    }
    let fail = |reason: String| Some(CliError::new(Exit::Failed, format!("{}: {reason}", shown(&item.source))));
    let cannot = |error: std::io::Error| fail(format!("cannot read it: {error}; nothing was put in"));
    let mut file = open(item).map_err(cannot)?;
    let before = file.metadata().map_err(cannot)?;
    if !before.is_file() {
        return Err(Some(special(&item.source, before.file_type())));
    }
    let mut sent = 0_u64;
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let read = file.by_ref().take(PART_BYTES as u64).read_to_end(&mut part);
        let read = read.map_err(cannot)?;
        if read == 0 {
            break;
        }
        sent += read as u64;
        if sent > item.size {
            break;
        }
        put(Part::Data(part))?;
        // progress may be dropped, data may not
        let _ = seen.try_send((read as u64, item.path.clone()));
    }
    let after = file.metadata().map_err(cannot)?;
    if sent == item.size && stamp(&before) == stamp(&after) {
        Ok(sent)
    } else {
        Err(fail("it changed while it was read; nothing was put in. Upload again when nobody writes to it".to_owned()))
    }
}

/// Opens a file of the folder. Not what took its place since it was listed: a link is not followed, a pipe not waited
/// for.
fn open(item: &Found) -> std::io::Result<File> {
    let follow = if item.named { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = i32::try_from((OFlags::NONBLOCK | follow).bits()).map_err(std::io::Error::other)?;
    File::options().read(true).custom_flags(flags).open(&item.source)
}

/// What changes when somebody writes to a file.
fn stamp(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// Standard input to its end. Nothing at all is taken for a failure of what should have written it.
fn send_input(
    item: &Found,
    put: &impl Fn(Part) -> Result<(), Option<CliError>>,
    seen: &mpsc::Sender<(u64, String)>,
) -> Result<u64, Option<CliError>> {
    let mut input = std::io::stdin().lock();
    let mut sent = 0_u64;
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let read = input.by_ref().take(PART_BYTES as u64).read_to_end(&mut part).map_err(|error| {
            Some(CliError::new(Exit::Failed, format!("cannot read standard input: {error}; nothing was put in")))
        })?;
        if read == 0 {
            break;
        }
        sent += read as u64;
        put(Part::Data(part))?;
        // progress may be dropped, data may not
        let _ = seen.try_send((read as u64, item.path.clone()));
    }
    if sent > 0 {
        return Ok(sent);
    }
    let error = CliError::usage("standard input was empty; nothing was put in").because("EMPTY_INPUT");
    Err(Some(error.hint("look at the program before the pipe; an empty file can be uploaded by its name")))
}

fn show(env: &Env, answer: &UploadResponse) -> CliResult {
    let version = answer.version.clone().unwrap_or_default();
    let mut record = views::version(&version);
    if let Value::Object(fields) = &mut record {
        fields.insert("newBytes".into(), json!(answer.new_bytes));
        fields.insert("newChunks".into(), json!(answer.new_chunks));
        fields.insert("created".into(), json!(answer.created));
        fields.insert("auditSeq".into(), json!(answer.audit_seq));
        let notices = answer.notices.iter().map(|notice| json!({"path": notice.path, "text": notice.text}));
        fields.insert("notices".into(), notices.collect());
        fields.insert("moreNotices".into(), json!(answer.more_notices));
    }
    for notice in &answer.notices {
        env.out.remark(&format!("note: {}: {}", notice.path, notice.text));
    }
    if answer.more_notices > 0 {
        env.out.remark(&format!("note: the same holds for {}", counted(answer.more_notices, "more file")));
    }
    env.out.object(&record, || {
        let how = if answer.created {
            format!(
                "{}, {}, {} of it new",
                counted(version.files, "file"),
                bytes(version.bytes),
                bytes(answer.new_bytes)
            )
        } else {
            "unchanged: this content is the latest version already".to_owned()
        };
        format!("{how}\ndataset/{} v{} {}", version.dataset, version.number, version.id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Lists a folder with one file of `size` bytes, lets `before` happen to the file, and sends it; `during` happens
    /// at its first bytes.
    fn sent(size: usize, before: impl FnOnce(&Path), during: impl Fn(&Path)) -> Result<u64, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.bin");
        std::fs::write(&path, vec![7; size]).unwrap();
        let found = walk(folder.path()).unwrap();
        before(&path);
        let (seen, _kept) = mpsc::channel(1);
        let put = |part: Part| {
            assert!(matches!(part, Part::Data(_)));
            during(&path);
            Ok(())
        };
        send_file(&found[0], &put, &seen).map_err(|error| error.unwrap().message)
    }

    fn nothing(_: &Path) {}

    #[test]
    fn a_file_that_stays_as_it_is_is_sent() {
        assert_eq!(sent(0, nothing, nothing), Ok(0));
        assert_eq!(sent(3 * PART_BYTES + 1, nothing, nothing), Ok(3 * PART_BYTES as u64 + 1));
    }

    #[test]
    fn a_file_that_grows_or_shrinks_is_not() {
        let resize =
            |size: u64| move |path: &Path| File::options().write(true).open(path).unwrap().set_len(size).unwrap();
        for size in [0, 5, 4 * PART_BYTES as u64] {
            for error in [sent(2 * PART_BYTES, resize(size), nothing), sent(2 * PART_BYTES, nothing, resize(size))] {
                assert!(error.unwrap_err().contains("it changed while it was read; nothing was put in"));
            }
        }
    }

    #[test]
    fn what_takes_the_place_of_a_file_is_not_followed_and_not_waited_for() {
        let link = |path: &Path| {
            std::fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        };
        assert!(sent(11, link, nothing).unwrap_err().contains("cannot read it"));
        let pipe = |path: &Path| {
            std::fs::remove_file(path).unwrap();
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, 0o600.into(), 0).unwrap();
        };
        assert!(sent(11, pipe, nothing).unwrap_err().contains("is a pipe"));
        let gone = |path: &Path| std::fs::remove_file(path).unwrap();
        assert!(sent(11, gone, nothing).unwrap_err().contains("No such file"));
    }
}
