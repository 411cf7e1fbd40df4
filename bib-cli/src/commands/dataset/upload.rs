//! `bib dataset upload FILE|DIR|-`.

use super::seen::{Seen, Stamp};
use super::send::{STANDARD_INPUT, send};
use super::walk::{Found, Kind, walk};
use crate::error::{CliError, CliResult};
use crate::exit::Exit;
use crate::output::{bytes, counted};
use crate::session::Env;
use crate::views;
use bib_proto::v1::{GetTopicRequest, UploadHeader, UploadResponse};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

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
    /// Name of the dataset [default: the folder's name, or the file's without its ending]
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
    /// Read and send every file, also those that look as they did at the last upload
    #[arg(long)]
    read_all: bool,
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
        base: String::new(),
    };
    let seen = if piped || args.read_all { None } else { Some(Seen::of(env, &header.dataset, &args.path)?) };
    let answer = env.long(Box::pin(send(env, header, found, seen))).await?;
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
    Ok(Found { path, source, kind: Kind::File, size: 0, mode: 0o644, named: true, stamp: Stamp::default() })
}

fn derive_name(path: &Path) -> CliResult<String> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // what follows a dot is an ending in a file's name only
    let name = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    let name = name.and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    if name.parse::<bib_domain::DatasetName>().is_ok() {
        return Ok(name);
    }
    Err(CliError::usage(format!("{} does not give a dataset name", path.display())).hint("say it: --name NAME"))
}

fn show(env: &Env, answer: &UploadResponse) -> CliResult {
    let version = answer.version.clone().unwrap_or_default();
    let mut record = views::version(&version);
    if let Value::Object(fields) = &mut record {
        fields.insert("newBytes".into(), json!(answer.new_bytes));
        fields.insert("newChunks".into(), json!(answer.new_chunks));
        fields.insert("created".into(), json!(answer.created));
        fields.insert("keptFiles".into(), json!(answer.kept_files));
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
            let kept = if answer.kept_files == 0 {
                String::new()
            } else {
                format!(", {} as before and not sent", counted(answer.kept_files, "file"))
            };
            let (files, all, new) = (counted(version.files, "file"), bytes(version.bytes), bytes(answer.new_bytes));
            format!("{files}, {all}, {new} of it new{kept}")
        } else {
            "unchanged: this content is the latest version already".to_owned()
        };
        format!("{how}\ndataset/{} v{} {}", version.dataset, version.number, version.id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_what_follows_its_last_dot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Survey.2023");
        std::fs::create_dir(&path).unwrap();
        assert_eq!(derive_name(&path).unwrap(), "survey.2023");
        assert_eq!(derive_name(&path.join(".")).unwrap(), "survey.2023");
        let file = path.join("stations.2023.csv");
        std::fs::write(&file, "a").unwrap();
        assert_eq!(derive_name(&file).unwrap(), "stations.2023");
        assert!(derive_name(Path::new("/")).is_err());
    }
}
