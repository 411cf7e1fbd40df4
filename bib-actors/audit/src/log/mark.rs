//! The mark: a small file that says up to which record the log was durable when it was written.
//!
//! It lets a start tell a log that was cut at its end from one that merely ended there. It lags behind the log by the
//! mark interval at most and is not a secret: who can rewrite the log can rewrite the mark.

use super::state::Head;
use crate::error::AuditError;
use crate::storage::AuditFs;
use std::path::{Path, PathBuf};

const FIRST_LINE: &str = "BIB-AUDIT-MARK/1";

/// What the mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
    pub(crate) hash: [u8; 32],
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
        lines.next().is_none().then_some(Self { epoch, seq, hash })
    }

    /// Writes the mark for a head that is durable.
    pub(crate) fn store(fs: &dyn AuditFs, dir: &Path, head: &Head) -> Result<(), AuditError> {
        let path = Self::path(dir);
        let text = format!("{FIRST_LINE}\nepoch {}\nseq {}\nhash {}\n", head.epoch, head.seq, hex::encode(head.hash));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::DiskFs;

    #[test]
    fn a_mark_is_read_as_written_and_nothing_else_is_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Mark::load(dir.path()), Ok(None));
        let head = Head { epoch: 2, seq: 77, hash: [5; 32], records: 77 };
        Mark::store(&DiskFs, dir.path(), &head).unwrap();
        assert_eq!(Mark::load(dir.path()), Ok(Some(Mark { epoch: 2, seq: 77, hash: [5; 32] })));
        let text = std::fs::read_to_string(dir.path().join("mark")).unwrap();
        for bad in ["", "x\n", &text[..text.len() - 9], &format!("{text}more\n"), &text.replace("seq", "sec")] {
            assert_eq!(Mark::parse(bad), None, "{bad:?}");
        }
    }
}
