//! Whether the disk has room for a scenario that fills much of it.

use nix::sys::statvfs::statvfs;
use std::path::Path;

/// What is to be done where less than `needed` bytes are free at `place`; `None` where there is room.
pub(crate) fn lacking(place: &Path, needed: u64) -> anyhow::Result<Option<String>> {
    let disk = statvfs(place)?;
    let free = disk.blocks_available() * disk.fragment_size();
    let lacks = || {
        format!(
            "this needs {} GiB of free disk, and {} has {}; free some, or give TMPDIR another place",
            needed.div_ceil(1 << 30),
            place.display(),
            free >> 30
        )
    };
    Ok((free < needed).then(lacks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_said_in_whole_gibibytes() {
        assert_eq!(lacking(Path::new("/"), 0).unwrap(), None);
        let text = lacking(Path::new("/"), u64::MAX >> 1).unwrap().unwrap();
        assert!(text.contains("needs 8589934592 GiB") && text.contains("TMPDIR"), "{text}");
    }
}
