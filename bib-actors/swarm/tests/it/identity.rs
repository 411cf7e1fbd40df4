//! The identity's file: made once, private, kept over restarts, refused when it is not trustworthy.

use bib_swarm::{Identity, SwarmError, key_of_peer_id};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data").join("identity.key");
    let first = Identity::load_or_create(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(mode_of(path.parent().unwrap()), 0o700);
    let bytes = fs::read(&path).unwrap();
    for _ in 0..3 {
        let again = Identity::load_or_create(&path).unwrap();
        assert_eq!(again.node_id(), first.node_id());
        assert_eq!(again.public_key(), first.public_key());
        assert_eq!(again.derive("audit"), first.derive("audit"));
    }
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(key_of_peer_id(first.node_id()).unwrap(), first.public_key());
    let files: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["identity.key"], "nothing else is left behind");
    assert_ne!(Identity::load_or_create(&dir.path().join("other")).unwrap().node_id(), first.node_id());
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity.key");
    let id = Identity::load_or_create(&path).unwrap().node_id().clone();
    for mode in [0o644, 0o640, 0o604, 0o660, 0o601, 0o777] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(matches!(error, SwarmError::IdentityMode { .. }), "{mode:o}: {error}");
        let text = error.to_string();
        assert!(text.contains(&format!("{mode:04o}")) && text.contains("chmod 600"), "{text}");
        assert!(text.contains(path.to_str().unwrap()), "{text}");
        assert_eq!(mode_of(&path), mode, "it is not repaired in silence");
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(*Identity::load_or_create(&path).unwrap().node_id(), id);
    }
}

#[test]
fn a_damaged_file_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity.key");
    Identity::load_or_create(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped[30] ^= 1;
    let long = [good.as_slice(), &[b'\n'; 4096]].concat();
    for bad in [Vec::new(), good[..good.len() / 2].to_vec(), flipped, vec![0xff; 100], long] {
        fs::write(&path, &bad).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(matches!(error, SwarmError::IdentityDamaged { .. }), "{error}");
        assert!(error.to_string().contains("backup"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), bad, "a damaged key is never overwritten");
    }
    fs::write(&path, &good).unwrap();
    Identity::load_or_create(&path).unwrap();
}

#[test]
fn a_directory_in_its_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity.key");
    fs::create_dir(&path).unwrap();
    let error = Identity::load_or_create(&path).unwrap_err();
    assert!(matches!(error, SwarmError::IdentityDamaged { .. }), "{error}");
}

#[test]
fn what_a_crash_left_behind_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity.key");
    fs::write(dir.path().join("identity.key.tmp"), b"bib identity 1\nseed 00").unwrap();
    let id = Identity::load_or_create(&path).unwrap();
    assert_eq!(mode_of(&path), 0o600);
    assert_eq!(Identity::load_or_create(&path).unwrap().node_id(), id.node_id());
}

#[test]
fn many_at_once_agree_on_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity.key");
    let ids: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Identity::load_or_create(&path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let kept = Identity::load_or_create(&path).unwrap();
    assert!(ids.into_iter().all(|identity| identity.unwrap().node_id() == kept.node_id()));
}
