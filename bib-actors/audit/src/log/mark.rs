//! The mark: a small file that says up to which record the log was durable when it was written.
//!
//! It lets a start tell a log that was cut at its end from one that merely ended there. It lags behind the log by the
//! mark interval at most and is not a secret: who can rewrite the log can rewrite the mark.

use super::state::Head;
use super::unsettled::Open;
use crate::error::AuditError;
use crate::storage::AuditFs;
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "BIB-AUDIT-MARK/1";

/// What the mark says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) hash: [u8; 32],
    /// The intents up to `seq` that had no outcome yet, oldest first.
    pub(crate) open: Vec<Open>,
}

impl Mark {
    fn path(dir: &Path) -> PathBuf {
        dir.join("mark")
    }

    /// Reads the mark, if there is one.
    pub(crate) fn load(dir: &Path) -> Result<Option<Self>, AuditError> {
        let path = Self::path(dir);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map(Some).ok_or_else(|| AuditError::Damaged {
                seq: 0,
                file: path,
                problem: "the mark cannot be read".to_owned(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AuditError::io("reading", &path, &error)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        (lines.next()? == FIRST_LINE).then_some(())?;
        let epoch = lines.next()?.strip_prefix("epoch ")?.parse().ok()?;
        let seq = lines.next()?.strip_prefix("seq ")?.parse().ok()?;
        let mut hash = [0; 32];
        hex::decode_to_slice(lines.next()?.strip_prefix("hash ")?, &mut hash).ok()?;
        let open = lines.map(parse_open).collect::<Option<_>>()?;
        Some(Self { epoch, seq, hash, open })
    }

    /// Writes the mark for a head that is durable, with the intents that had no outcome then.
    pub(crate) fn store(
        fs: &dyn AuditFs,
        dir: &Path,
        head: &Head,
        open: impl Iterator<Item = Open>,
    ) -> Result<(), AuditError> {
        let path = Self::path(dir);
        let mut text =
            format!("{FIRST_LINE}\nepoch {}\nseq {}\nhash {}\n", head.epoch, head.seq, hex::encode(head.hash));
        for Open { seq, op_id, what } in open {
            text.push_str(&format!("open {seq} {} {}\n", hex::encode(op_id), hex::encode(what)));
        }
        let temp = dir.join("mark.tmp");
        let write = || {
            let mut file = fs.create(&temp)?;
            file.write_at(0, text.as_bytes())?;
            file.sync()?;
            fs.rename(&temp, &path)
        };
        write().map_err(|error| AuditError::io("writing", &path, &error))
    }
}

fn parse_open(line: &str) -> Option<Open> {
    let mut words = line.strip_prefix("open ")?.split(' ');
    let seq = words.next()?.parse().ok()?;
    let (mut op_id, mut what) = ([0; 16], [0; 8]);
    hex::decode_to_slice(words.next()?, &mut op_id).ok()?;
    hex::decode_to_slice(words.next()?, &mut what).ok()?;
    words.next().is_none().then_some(Open { seq, op_id, what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DiskFs;

    #[test]
    fn a_mark_is_read_as_written_and_nothing_else_is_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Mark::load(dir.path()), Ok(None));
        let head = Head { epoch: 2, seq: 77, hash: [5; 32], records: 77 };
        let open = vec![Open { seq: 3, op_id: [1; 16], what: [2; 8] }, Open { seq: 76, op_id: [3; 16], what: [4; 8] }];
        for open in [vec![], open] {
            Mark::store(&DiskFs, dir.path(), &head, open.iter().copied()).unwrap();
            assert_eq!(Mark::load(dir.path()), Ok(Some(Mark { epoch: 2, seq: 77, hash: [5; 32], open })));
        }
        let text = std::fs::read_to_string(dir.path().join("mark")).unwrap();
        for bad in [
            "",
            "x\n",
            &text[..text.len() - 9],
            &format!("{text}more\n"),
            &text.replace("seq", "sec"),
            &text.replace("open", "shut"),
        ] {
            assert_eq!(Mark::parse(bad), None, "{bad:?}");
        }
    }
}
