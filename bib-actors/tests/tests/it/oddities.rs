//! Odd folders with real programs: what is taken comes back as it was, what is refused leaves nothing.

use super::data::{file, noise, upload};
use bib_node_tests::{Lab, Node, NodeSpec, Outcome};
use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn node(lab: &Lab) -> Node {
    let mut node = lab.node(NodeSpec::selective("odd")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    node
}

fn put(node: &Node, path: &Path) -> Outcome {
    node.bib(&["dataset", "upload", path.to_str().unwrap(), "--topic", "t", "--name", "bad"]).unwrap()
}

/// Every name with its mode and its bytes or where it points.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            let mode = metadata.permissions().mode() & 0o777;
            let content = if metadata.is_symlink() {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if metadata.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).unwrap()
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), (mode, content));
        }
    }
    found
}

#[test]
fn an_odd_folder_comes_back_as_it_was() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    let folder = lab.path().join("odd-data");
    let long = "x".repeat(255);
    let names =
        ["-rf", "--", "back\\slash", "C:", "NUL", "aux.txt", "a b ", "dot.", "...", "$(reboot)", "%2e%2e", "*", &long];
    let twins = ["caf\u{e9}", "cafe\u{301}", "Twin", "twin", "日本語", "😀"];
    for name in names.iter().chain(&twins) {
        file(&folder, &format!("names/{name}"), name.as_bytes());
    }
    file(&folder, "packed.csv.gz", b"\x1f\x8b\x08\x00");
    file(&folder, "list.json", b"[{\"a\":1}]");
    file(&folder, "odd.csv", "\u{feff}a,\"b\nc\",a,\r\n1,\"x \"\"y\"\"\",NULL,2\r\n,z,3,\r\n".as_bytes());
    file(&folder, "empty", b"");
    std::fs::create_dir_all(folder.join("nothing/inside")).unwrap();
    let sparse = std::fs::File::create(folder.join("sparse")).unwrap();
    sparse.set_len(24 << 20).unwrap();
    std::fs::hard_link(file(&folder, "hard", &noise(5, 300_000)), folder.join("hard-too")).unwrap();
    for (link, target) in
        [("loop-a", "loop-b"), ("loop-b", "loop-a"), ("self", "self"), ("gone", "nowhere"), ("here", ".")]
    {
        symlink(target, folder.join(link)).unwrap();
    }
    std::fs::set_permissions(folder.join("empty"), PermissionsExt::from_mode(0o751)).unwrap();
    std::fs::set_permissions(folder.join("hard"), PermissionsExt::from_mode(0o440)).unwrap();
    std::fs::set_permissions(folder.join("nothing"), PermissionsExt::from_mode(0o750)).unwrap();

    let version = upload(&node, &folder, "t", "odd");
    let notices: Vec<&str> =
        version["notices"].as_array().unwrap().iter().map(|n| n["path"].as_str().unwrap()).collect();
    assert_eq!(notices, ["list.json", "packed.csv.gz"], "{version}");
    assert!(version["newBytes"].as_u64().unwrap() < 6 << 20, "zeros and links to the same bytes are stored once");
    let out = lab.path().join("back");
    node.bib(&["dataset", "download", "t/odd", "--out", out.to_str().unwrap()]).unwrap().ok().unwrap();
    let (there, back) = (tree(&folder), tree(&out));
    assert_eq!(there.keys().collect::<Vec<_>>(), back.keys().collect::<Vec<_>>());
    for (path, content) in &there {
        assert!(back[path] == *content, "{} came back with mode {:o}", path.display(), back[path].0);
    }
    let one = lab.path().join("one");
    let words = ["dataset", "download", "t/odd", "--include=names/-rf", "--out", one.to_str().unwrap()];
    node.bib(&words).unwrap().ok().unwrap();
    assert_eq!(std::fs::read(one.join("names/-rf")).unwrap(), b"-rf");
    let rows = node.json(&["dataset", "preview", "t/odd", "--file", "odd.csv"]).unwrap();
    let expected = serde_json::json!([
        {"a": 1, "b\nc": "x \"y\"", "a_2": null, "column_4": 2}, {"a": null, "b\nc": "z", "a_2": 3, "column_4": null}
    ]);
    assert_eq!(rows, expected);

    let nothing = lab.path().join("nothing-at-all");
    std::fs::create_dir(&nothing).unwrap();
    assert_eq!(upload(&node, &nothing, "t", "nothing")["files"], 0);
    let out = lab.path().join("nothing-back");
    node.bib(&["dataset", "download", "t/nothing", "--out", out.to_str().unwrap()]).unwrap().ok().unwrap();
    assert!(tree(&out).is_empty());
}

/// A folder with one good file beside the bad thing: nothing of it may be published.
fn beside(lab: &Lab, name: &str) -> PathBuf {
    let folder = lab.path().join(name);
    file(&folder, "good.csv", b"a,b\n1,2\n");
    folder
}

fn refused(node: &Node, folder: &Path, word: &str) {
    let answer = put(node, folder);
    assert_ne!(answer.code, 0, "{} was taken", folder.display());
    assert!(answer.stderr.contains(word), "{} gave {:?}, without {word:?}", folder.display(), answer.stderr);
    assert!(answer.stderr.contains("error: ") && !answer.stderr.contains('\u{1b}'), "{:?}", answer.stderr);
    assert_eq!(node.bib(&["dataset", "get", "t/bad"]).unwrap().code, 6, "a refused upload left a dataset");
}

#[test]
fn what_cannot_be_kept_is_refused_and_nothing_is_published() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    let folder = beside(&lab, "pipe");
    let made = Command::new("mkfifo").arg(folder.join("p")).status().unwrap();
    assert!(made.success() && folder.join("p").metadata().unwrap().file_type().is_fifo());
    refused(&node, &folder, "is a pipe");
    let folder = beside(&lab, "socket");
    let _listener = std::os::unix::net::UnixListener::bind(folder.join("s")).unwrap();
    refused(&node, &folder, "is a socket");
    refused(&node, Path::new("/dev/zero"), "is a device");
    for (number, (name, word)) in
        [("new\nline", "U+000A"), ("escape\u{1b}[2J", "U+001B"), ("csi\u{9b}31m", "U+009B")].iter().enumerate()
    {
        let folder = beside(&lab, &format!("name{number}"));
        file(&folder, name, b"x");
        refused(&node, &folder, word);
    }
    let folder = beside(&lab, "bytes");
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"caf\xe9");
    std::fs::write(folder.join(name), "x").unwrap();
    refused(&node, &folder, "not UTF-8");
    let folder = beside(&lab, "leaves");
    symlink("../../etc/passwd", folder.join("link")).unwrap();
    refused(&node, &folder, "outside the dataset's folder");
    for (name, bytes, word) in [
        ("latin.csv", &b"name\nZ\xfcrich\n"[..], "iconv -f WINDOWS-1252"),
        ("nul.csv", b"a\n1\n\0\0\0\n", "line 3 of nul.csv has a NUL byte"),
        (
            "deep.jsonl",
            &[b"{\"a\":".repeat(10_000), b"1".to_vec(), b"}".repeat(10_000)].concat(),
            "deeper than 48 levels",
        ),
        ("lie.parquet", b"PAR1\0\0\0\0\xff\xff\xff\xffPAR1", "4294967295 bytes long"),
        ("cut.arrow", b"ARROW1\0\0\xff\xff\xff\xff\x10\0\0\0", "whole Arrow file"),
    ] {
        let folder = beside(&lab, name);
        file(&folder, name, bytes);
        refused(&node, &folder, word);
    }
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_refused() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    let folder = beside(&lab, "busy");
    let busy = file(&folder, "busy.bin", &noise(9, 48 << 20));
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // the same length all the time: only its time stamp tells
            let file = std::fs::File::options().write(true).open(&busy).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::os::unix::fs::FileExt::write_all_at(&file, b"x", 0).unwrap();
            }
        });
        refused(&node, &folder, "it changed while it was read; nothing was put in");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    let folder = beside(&lab, "secret");
    std::fs::set_permissions(file(&folder, "secret.bin", b"x"), PermissionsExt::from_mode(0o000)).unwrap();
    let bib = lab.program("bib");
    let mut words: Vec<&str> = Vec::new();
    // root reads everything unless it gives that right away
    let program = if nix::unistd::geteuid().is_root() {
        words.extend(["--inh-caps=-dac_override,-dac_read_search", "--bounding-set=-dac_override,-dac_read_search"]);
        words.push(bib.to_str().unwrap());
        Path::new("setpriv")
    } else {
        &bib
    };
    let config = node.config_dir();
    words.extend(["dataset", "upload", folder.to_str().unwrap(), "--topic", "t", "--name", "bad"]);
    words.extend(["--config-dir", config.to_str().unwrap()]);
    let answer = Command::new(program).args(words).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(!answer.status.success() && said.contains("secret.bin") && said.contains("ermission denied"), "{said}");
    assert_eq!(node.bib(&["dataset", "get", "t/bad"]).unwrap().code, 6);
}

#[test]
fn values_do_not_steer_a_terminal_and_files_get_every_byte() {
    let lab = Lab::new().unwrap();
    let node = node(&lab);
    let text = "na\u{1b}]0;title\u{7}me,b\nred\u{1b}[31m,\u{9b}2J\n";
    upload(&node, &file(lab.path(), "esc.csv", text.as_bytes()), "t", "esc");
    for format in ["table", "csv", "jsonl", "json", "yaml", "plain"] {
        let words = format!(
            "{} dataset preview t/esc -o {format} --config-dir {}",
            lab.program("bib").display(),
            node.config_dir().display()
        );
        // script gives the program a terminal
        let shown = Command::new("script").args(["-qec", &words, "/dev/null"]).stdin(Stdio::null()).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("red"), "{format}: {shown:?}");
        let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        assert!(!shown.chars().any(steers), "{format}: {shown:?}");
    }
    let exact = node.bib(&["dataset", "preview", "t/esc", "-o", "csv"]).unwrap().ok().unwrap();
    assert_eq!(exact.stdout, text, "a pipe gets what is in the file");
    let listed = node.bib(&["dataset", "get", "t/esc"]).unwrap().ok().unwrap();
    assert!(!listed.stdout.contains('\u{1b}'), "{:?}", listed.stdout);
}
