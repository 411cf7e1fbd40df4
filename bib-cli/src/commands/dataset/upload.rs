//! `bib dataset upload FILE|DIR`.

use super::walk::{Found, Kind, shown, special, walk};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted};
use crate::progress::Progress;
use crate::session::Env;
use crate::views;
use bib_proto::v1::upload_request::Part;
use bib_proto::v1::{Entry, GetTopicRequest, UploadEnd, UploadHeader, UploadRequest, UploadResponse};
use rustix::fs::OFlags;
use serde_json::{Value, json};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes in one message of the stream.
const PART_BYTES: usize = 256 << 10;
/// Messages that wait between the disk and the network.
const PARTS_AHEAD: usize = 16;

/// What to put in, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  bib dataset upload ./measurements --topic weather --name stations\n  \
    bib dataset upload flights.parquet --topic flights --name 2013 --message \"from nycflights13\"")]
pub(crate) struct Args {
    /// A file or a folder
    path: PathBuf,
    /// Topic that the dataset belongs to; make it with `bib topic create`
    #[arg(long)]
    topic: String,
    /// Name of the dataset [default: the file's name without its ending]
    #[arg(long)]
    name: Option<String>,
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
    let name = match &args.name {
        Some(name) => name.clone(),
        None => derive_name(&args.path)?,
    };
    let dataset: bib_domain::DatasetRef = format!("{}/{name}", args.topic)
        .parse()
        .map_err(|error: bib_domain::NameError| CliError::usage(error.to_string()).because("BAD_NAME"))?;
    let path = args.path.clone();
    let found = tokio::task::spawn_blocking(move || walk(&path))
        .await
        .map_err(|error| CliError::new(Exit::Failed, format!("cannot list {}: {error}", args.path.display())))??;
    let total: u64 = found.iter().map(|item| item.size).sum();
    let files = found.iter().filter(|item| item.kind == Kind::File).count();
    if args.dry_run {
        let client = env.client().await?;
        env.call(client.topics().get_topic(GetTopicRequest { name: args.topic })).await?;
        let record = json!({"name": dataset.to_string(), "files": files, "bytes": total, "dryRun": true});
        env.out.object(&record, || {
            format!("would put {}, {}, into dataset/{dataset}", counted(files as u64, "file"), bytes(total))
        });
        return Ok(());
    }
    let header = UploadHeader {
        dataset: dataset.to_string(),
        message: args.message,
        request_id: env.request_id()?,
        allow_broken_tables: args.allow_broken_tables,
    };
    let answer = env.long(Box::pin(send(env, header, found, total))).await?;
    show(env, &answer);
    Ok(())
}

fn derive_name(path: &std::path::Path) -> CliResult<String> {
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
    let mut progress = Progress::new(&env.global, "upload", total);
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

fn show(env: &Env, answer: &UploadResponse) {
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
    });
}
