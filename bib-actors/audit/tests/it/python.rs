//! The independent verifier, which shares no code with this crate, agrees with it.

use crate::support::{draft, options, start, written};
use bib_kit::probe::run;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn script() -> PathBuf {
    package_dir().join("../../examples/audit-verify/verify.py")
}

fn python(args: &[&std::ffi::OsStr]) -> Output {
    let done = Command::new("python3").arg("-B").arg(script()).args(args).output();
    done.expect("python3 is needed for this test: apt-get install python3")
}

/// What the verifier says about a log.
pub(crate) struct Verdict {
    pub(crate) ok: bool,
    pub(crate) last_line: Value,
    pub(crate) records: Vec<Value>,
}

/// Has the independent verifier look at a log.
pub(crate) fn verify(dir: &Path) -> Verdict {
    let output = python(&[dir.as_os_str(), "--records".as_ref()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last_line = lines.pop().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let ok = last_line["ok"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!ok)));
    Verdict { ok, last_line, records: lines }
}

#[test]
fn the_vectors_hold_for_the_independent_verifier() {
    let vectors = package_dir().join("tests/vectors/bib-audit-1.json");
    let output = python(&["--vectors".as_ref(), vectors.as_os_str()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn both_verifiers_read_the_same() {
    let (_dir, options, receipts) = written(60);
    let verdict = verify(&options.dir);
    assert!(verdict.ok, "{}", verdict.last_line);
    let head = hex::encode(receipts.last().unwrap().leaf_hash);
    assert_eq!(verdict.last_line["head"], head);
    assert_eq!(verdict.last_line["records"], 60);
    run(async {
        let chain = start(options).await;
        let records = chain.audit.export_since(0, 100).await.unwrap();
        assert_eq!(records.len(), verdict.records.len());
        for (ours, theirs) in records.iter().zip(&verdict.records) {
            assert_eq!(theirs["leaf_hash"], hex::encode(ours.leaf_hash));
            assert_eq!(theirs["seq"], ours.seq);
            assert_eq!(theirs["object"], ours.object);
            assert_eq!(theirs["outcome"], ours.outcome.as_str());
            assert_eq!(theirs["unix_ns"], ours.unix_ns);
        }
    });
}

#[test]
fn the_independent_verifier_finds_a_parameter() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    run(async {
        let mut chain = start(options.clone()).await;
        for name in ["ann", "ben", "ann"] {
            chain.audit.append(draft(1).param("user", name)).await.unwrap();
        }
        chain.guard.stop().await;
    });
    let key = hex::encode(options.hmac_key);
    let ask = |was: &str| {
        let output = python(&[options.dir.as_os_str(), "--was".as_ref(), was.as_ref(), "--key".as_ref(), key.as_ref()]);
        String::from_utf8(output.stdout).unwrap().lines().count() - 1
    };
    assert_eq!((ask("user=ann"), ask("user=ben"), ask("user=cem"), ask("name=ann")), (2, 1, 0, 0));
}

/// Where this package's sources are: a cached build may have been made from another copy of them.
fn package_dir() -> PathBuf {
    std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()).into()
}
