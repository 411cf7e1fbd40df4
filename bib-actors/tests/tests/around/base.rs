//! The base of the images: a minimal Debian of this machine's own release, made once and kept.

use super::shell::{as_root, cache, good};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Debian release as the base of an image.
pub(crate) struct Base {
    /// The root file system as an archive.
    pub(crate) archive: PathBuf,
    /// The name of the release.
    suite: &'static str,
    /// The version of PostgreSQL in it.
    postgres: &'static str,
}

impl Base {
    /// The image of this release, as a registry has it, too.
    pub(crate) fn image(&self) -> String {
        format!("debian:{}-slim", self.suite)
    }

    /// The words of a build that has this release as its base, as the Dockerfile says.
    pub(crate) fn words(&self) -> Vec<String> {
        let arguments = [format!("BASE={}", self.image()), format!("POSTGRES_VERSION={}", self.postgres)];
        arguments.into_iter().flat_map(|argument| ["--build-arg".to_owned(), argument]).collect()
    }
}

/// The base, from the cache or made with `debootstrap`. The programs under test were linked on this machine, so the
/// release is that of this machine.
pub(crate) fn base() -> Base {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let trixie = release.lines().any(|line| line == "VERSION_CODENAME=trixie");
    let (suite, postgres) = if trixie { ("trixie", "17") } else { ("bookworm", "15") };
    let archive = cache().join(format!("base-{suite}-{}.tar", std::env::consts::ARCH));
    // two runs at the same time make it once
    let lock = File::create(archive.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !archive.exists() {
        make(suite, &archive);
    }
    Base { archive, suite, postgres }
}

fn make(suite: &str, archive: &Path) {
    let folder = tempfile::Builder::new().prefix("bib-base-").tempdir().unwrap();
    let (system, new) = (folder.path().join("root"), archive.with_extension("new"));
    good(as_root("debootstrap").args(["--variant=minbase", suite]).arg(&system));
    good(
        as_root("tar")
            .arg("-C")
            .arg(&system)
            .args(["--exclude=./var/cache/apt/archives/*.deb", "-cf"])
            .arg(&new)
            .arg("."),
    );
    good(as_root("rm").arg("-rf").arg(&system));
    good(as_root("chmod").arg("644").arg(&new));
    std::fs::rename(&new, archive).unwrap();
    good(Command::new("sync").arg(archive));
}
