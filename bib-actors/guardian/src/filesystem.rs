//! Which file systems a database must not lie on.
//!
//! A network file system may lose locks and reorder syncs: two servers on one directory, or a commit that is not there
//! after a power cut. The names come from the numbers that the kernel gives each file system.

use crate::error::GuardianError;
use std::path::Path;

/// Network and cluster file systems, by the number in `statfs`.
const NETWORK: [(u64, &str); 13] = [
    (0x6969, "NFS"),
    (0x0BD0_0BD0, "Lustre"),
    (0x0BD0_0BD1, "Lustre"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x0102_1997, "9P"),
    (0xAAD7_AAEA, "PanFS"),
];

/// Refuses the number of a network file system, with the reason; `None` for all others.
///
/// `magic` is `f_type` of `statfs`.
#[must_use]
pub fn refuse_file_system(magic: u64) -> Option<&'static str> {
    NETWORK.iter().find(|(number, _)| *number == magic & 0xFFFF_FFFF).map(|(_, name)| *name)
}

/// Refuses a directory on a network file system.
pub(crate) fn check(path: &Path) -> Result<(), GuardianError> {
    let status = rustix::fs::statfs(path)
        .map_err(|error| GuardianError::file("look at the file system of", path)(error.into()))?;
    let magic = status.f_type as u64;
    match refuse_file_system(magic) {
        None => Ok(()),
        Some(name) => Err(GuardianError::Setup(format!(
            "{} lies on {name}, a network file system: there a database can lose what it acknowledged, and two servers can open it at \
             once; set data_dir to a directory on a local disk",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_refused_and_local_ones_are_not() {
        for (magic, name) in NETWORK {
            assert_eq!(refuse_file_system(magic), Some(name));
        }
        // where f_type is a signed 32-bit number, it arrives with its sign extended
        assert_eq!(refuse_file_system(0xFFFF_FFFF_FF53_4D42), Some("CIFS"));
        for local in [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x794C_7630, 0x2FC1_2FC1, 0x6573_5546] {
            assert_eq!(refuse_file_system(local), None, "{local:x}");
        }
    }

    #[test]
    fn a_local_directory_is_fine_and_a_missing_one_is_named() {
        assert!(check(Path::new("/proc")).is_ok());
        assert!(check(Path::new("/no/such/place")).unwrap_err().to_string().contains("/no/such/place"));
    }
}
