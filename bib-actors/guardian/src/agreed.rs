//! Which versions this node has seen to agree with themselves: that the hashes of their files follow from their chunks.
//!
//! One empty file `<data_dir>/manifests/ab/<hash>.agrees` beside the manifest of each. What it says is true of the
//! manifest for ever, whatever happens to chunks, so it cannot become wrong and needs no order with anything else. Being
//! empty, it is there or not, never half, and is not synced: a power cut may take it, which costs one verification of
//! files. It is removed with its manifest; of one whose removal was interrupted, an empty file may stay.

use crate::error::GuardianError;
use crate::manifests::place;
use bib_domain::VersionId;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The notes of a node. Cheap to clone; all calls touch the disk, so make them from a blocking thread.
#[derive(Debug, Clone)]
pub struct Agreed {
    root: PathBuf,
}

impl Agreed {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self::in_folder(data_dir.join("manifests"))
    }

    pub(crate) fn in_folder(root: PathBuf) -> Self {
        Self { root }
    }

    /// Whether this version was seen to agree. What cannot be read was not.
    #[must_use]
    pub fn knows(&self, id: VersionId) -> bool {
        std::fs::symlink_metadata(self.note_of(id)).is_ok_and(|note| note.is_file())
    }

    /// Notes that a version agrees, if its manifest is here.
    ///
    /// # Errors
    /// What the file system says; the version is then verified with its files again.
    pub fn note(&self, id: VersionId) -> Result<(), GuardianError> {
        let note = self.note_of(id);
        let manifest = place(&self.root, id).0;
        if !manifest.exists() {
            return Ok(());
        }
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&note);
        made.map_err(GuardianError::file("make", &note))?;
        // it may have been removed meanwhile, and its note before it
        if manifest.exists() { Ok(()) } else { self.forget(id) }
    }

    /// Takes a note back, if there is one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn forget(&self, id: VersionId) -> Result<(), GuardianError> {
        let note = self.note_of(id);
        match std::fs::remove_file(&note) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(GuardianError::file("remove", &note)(error)),
            _ => Ok(()),
        }
    }

    fn note_of(&self, id: VersionId) -> PathBuf {
        place(&self.root, id).0.with_extension("agrees")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn id(n: u8) -> VersionId {
        VersionId::from_bytes([n; 32])
    }

    fn with_manifest(data_dir: &Path, id: VersionId) -> PathBuf {
        let (path, dir) = place(&data_dir.join("manifests"), id);
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(&path, "a manifest").unwrap();
        path
    }

    #[test]
    fn a_note_is_of_one_version_and_survives_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        for n in [1, 2] {
            with_manifest(dir.path(), id(n));
        }
        let agreed = Agreed::new(dir.path());
        assert!(!agreed.knows(id(1)));
        for _ in 0..2 {
            agreed.note(id(1)).unwrap();
            assert!(agreed.knows(id(1)) && !agreed.knows(id(2)));
        }
        let again = Agreed::new(dir.path());
        assert!(again.knows(id(1)));
        let about = std::fs::metadata(again.note_of(id(1))).unwrap();
        assert_eq!((about.len(), about.permissions().mode() & 0o777), (0, 0o600));
        again.forget(id(1)).unwrap();
        again.forget(id(1)).unwrap();
        assert!(!agreed.knows(id(1)));
    }

    #[test]
    fn nothing_is_noted_of_a_version_that_is_not_here() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = with_manifest(dir.path(), id(1));
        std::fs::remove_file(manifest).unwrap();
        let agreed = Agreed::new(dir.path());
        agreed.note(id(1)).unwrap();
        agreed.note(id(2)).unwrap();
        assert!(!agreed.knows(id(1)) && !agreed.knows(id(2)));
    }

    #[test]
    fn what_is_no_file_is_no_note() {
        let dir = tempfile::tempdir().unwrap();
        with_manifest(dir.path(), id(1));
        let agreed = Agreed::new(dir.path());
        std::fs::create_dir(agreed.note_of(id(1))).unwrap();
        assert!(!agreed.knows(id(1)));
        assert!(agreed.note(id(1)).is_err() && agreed.forget(id(1)).is_err());
    }
}
