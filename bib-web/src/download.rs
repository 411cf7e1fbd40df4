//! Files of a version as a browser saves them: one as it is, all as a tar archive. Bytes pass through in pieces.
//!
//! The node checks each byte before it sends it. When it breaks off, so does the answer: half a file never looks like
//! a whole one. Nothing that is downloaded is shown: it is data of others, and not a page of ours.

use crate::error::PageError;
use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use bib_proto::client::Client;
use bib_proto::v1::download_response::Part;
use bib_proto::v1::{DownloadRequest, DownloadResponse, Entry};
use bytes::Bytes;
use futures::stream::{self, Stream};
use tar::{EntryType, Header};
use tonic::Streaming;

/// Size of a block of a tar archive.
const BLOCK: u64 = 512;
/// Longest name that fits a tar header itself.
const NAME_MAX: usize = 100;

type Bits = Result<Bytes, actix_web::Error>;

/// One file.
pub(crate) async fn file(client: Client, dataset: &str, version: &str, path: &str) -> Result<HttpResponse, PageError> {
    let mut parts = begin(client, dataset, version, vec![path.to_owned()]).await?;
    let size = loop {
        match parts.message().await?.and_then(|message| message.part) {
            Some(Part::Version(_)) => {}
            Some(Part::Entry(entry)) if entry.path == path && entry.kind == "file" => break entry.size,
            // the first entry decides: of a folder, all that is in it would come
            _ => return Err(PageError::NotFound),
        }
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    Ok(answer(name).body(SizedStream::new(size, pieces(parts))))
}

/// All files, with folders and links, as a tar archive.
pub(crate) async fn archive(client: Client, dataset: &str, version: &str) -> Result<HttpResponse, PageError> {
    let mut parts = begin(client, dataset, version, Vec::new()).await?;
    // the first message names the version; what is wrong is known by then
    let Some(Part::Version(version)) = parts.message().await?.and_then(|message| message.part) else {
        return Err(PageError::Broken);
    };
    let name = format!("{}-v{}.tar", version.dataset.replace('/', "-"), version.number);
    let mtime = u64::try_from(version.created_ms / 1000).unwrap_or_default();
    Ok(answer(&name).streaming(tarred(parts, mtime)))
}

async fn begin(
    client: Client,
    dataset: &str,
    version: &str,
    paths: Vec<String>,
) -> Result<Streaming<DownloadResponse>, PageError> {
    let request = DownloadRequest { dataset: dataset.to_owned(), version: version.to_owned(), paths };
    Ok(client.datasets().download(request).await?.into_inner())
}

/// An answer that a browser saves under `name`.
pub(crate) fn answer(name: &str) -> actix_web::HttpResponseBuilder {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let disposition = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", crate::format::part(name));
    let mut answer = HttpResponse::Ok();
    answer
        .content_type("application/octet-stream")
        .insert_header(("content-disposition", disposition))
        .insert_header(("content-security-policy", "default-src 'none'; sandbox"));
    answer
}

/// Why the bytes end early.
pub(crate) fn broken(error: impl std::fmt::Display) -> actix_web::Error {
    tracing::warn!(%error, "a download broke off");
    actix_web::error::ErrorBadGateway("the download broke off")
}

/// The bytes of one file.
fn pieces(parts: Streaming<DownloadResponse>) -> impl Stream<Item = Bits> {
    stream::try_unfold(parts, |mut parts| async move {
        loop {
            match parts.message().await.map_err(broken)?.map(|message| message.part) {
                None => return Ok(None),
                Some(Some(Part::Data(data))) => return Ok(Some((Bytes::from(data), parts))),
                Some(_) => {}
            }
        }
    })
}

struct Tarring {
    parts: Streaming<DownloadResponse>,
    mtime: u64,
    /// Bytes of the present file so far, and whether the end was written.
    written: u64,
    ended: bool,
}

fn tarred(parts: Streaming<DownloadResponse>, mtime: u64) -> impl Stream<Item = Bits> {
    stream::try_unfold(Tarring { parts, mtime, written: 0, ended: false }, |mut state| async move {
        loop {
            if state.ended {
                return Ok(None);
            }
            match state.parts.message().await.map_err(broken)?.map(|message| message.part) {
                Some(Some(Part::Data(data))) => {
                    state.written += data.len() as u64;
                    return Ok(Some((Bytes::from(data), state)));
                }
                Some(Some(Part::Entry(entry))) => {
                    let mut out = padding(state.written);
                    state.written = 0;
                    out.extend(head(&entry, state.mtime));
                    return Ok(Some((Bytes::from(out), state)));
                }
                Some(_) => {}
                None => {
                    state.ended = true;
                    let mut out = padding(state.written);
                    out.extend([0; 2 * BLOCK as usize]);
                    return Ok(Some((Bytes::from(out), state)));
                }
            }
        }
    })
}

fn padding(written: u64) -> Vec<u8> {
    vec![0; usize::try_from(written.next_multiple_of(BLOCK) - written).unwrap_or_default()]
}

/// What stands before the bytes of an entry. Names that do not fit get an extended header (PAX).
fn head(entry: &Entry, mtime: u64) -> Vec<u8> {
    let mut extended = Vec::new();
    for (key, value) in [("path", &entry.path), ("linkpath", &entry.target)] {
        if value.len() > NAME_MAX || !value.is_ascii() {
            extended.extend(record(key, value));
        }
    }
    let mut out = Vec::new();
    if !extended.is_empty() {
        let size = extended.len() as u64;
        out.extend(header(EntryType::XHeader, "extended", "", size, 0o644, mtime).as_bytes());
        out.extend(&extended);
        out.extend(padding(size));
    }
    let (kind, size) = match entry.kind.as_str() {
        "directory" => (EntryType::Directory, 0),
        "symlink" => (EntryType::Symlink, 0),
        _ => (EntryType::Regular, entry.size),
    };
    out.extend(header(kind, &entry.path, &entry.target, size, entry.mode, mtime).as_bytes());
    out
}

fn header(kind: EntryType, path: &str, target: &str, size: u64, mode: u32, mtime: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(mtime);
    let old = header.as_old_mut();
    for (field, text) in [(&mut old.name, path), (&mut old.linkname, target)] {
        let fits = text.len().min(NAME_MAX);
        field[..fits].copy_from_slice(&text.as_bytes()[..fits]);
    }
    header.set_cksum();
    header
}

/// One record of an extended header: its own length in decimal, key, value.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn entry(path: &str, kind: &str, size: u64, target: &str) -> Entry {
        Entry { path: path.into(), kind: kind.into(), size, mode: 0o640, target: target.into(), ..Default::default() }
    }

    #[test]
    fn the_archive_is_one_that_others_read() {
        let long = format!("deep/{}/naïve name.txt", "x".repeat(180));
        let entries = [
            (entry("deep", "directory", 0, ""), &b""[..]),
            (entry(&long, "file", 5, ""), b"hello"),
            (entry("link", "symlink", 0, &long), b""),
            (entry("empty", "file", 0, ""), b""),
        ];
        let mut bytes = Vec::new();
        for (entry, content) in &entries {
            bytes.extend(head(entry, 1_700_000_000));
            bytes.extend(*content);
            bytes.extend(padding(content.len() as u64));
        }
        bytes.extend([0; 1024]);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut found = Vec::new();
        for read in archive.entries().unwrap() {
            let mut read = read.unwrap();
            let path = read.path().unwrap().display().to_string();
            let target = read.link_name().unwrap().map(|link| link.display().to_string()).unwrap_or_default();
            let mut content = String::new();
            read.read_to_string(&mut content).unwrap();
            found.push((path, target, content));
        }
        let expected =
            entries.map(|(entry, content)| (entry.path, entry.target, String::from_utf8(content.to_vec()).unwrap()));
        assert_eq!(found, expected);
    }
}
