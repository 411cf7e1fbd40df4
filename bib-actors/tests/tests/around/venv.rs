//! Programs from the Python Package Index, each set in an environment of its own, made once and kept.

use super::shell::{cache, end, good};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python that can make environments: Debian's own comes first, since others may lack TLS.
fn system_python() -> &'static str {
    let works =
        |python: &&str| end(Command::new("env").args([*python, "-c", "import ensurepip, ssl, venv"])).status.success();
    ["/usr/bin/python3", "python3"].into_iter().find(works).expect("a Python with venv and ssl: .ci/prerequisites test")
}

/// The folder `bin` of an environment with what `requirements` lists, made once for each list.
pub(crate) fn environment(requirements: &Path) -> PathBuf {
    let wanted = std::fs::read_to_string(requirements).unwrap();
    let mut hasher = DefaultHasher::new();
    (&wanted, std::env::consts::ARCH, system_python()).hash(&mut hasher);
    let folder = cache().join(format!("python-{:016x}", hasher.finish()));
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let whole = folder.join("whole");
    if !whole.exists() {
        good(Command::new(system_python()).args(["-m", "venv", "--clear"]).arg(&folder));
        let mut install = Command::new(folder.join("bin/python"));
        good(install.args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements));
        std::fs::write(whole, wanted).unwrap();
    }
    folder.join("bin")
}
