//! Files that have not changed since the last upload are neither read nor sent; whatever might have changed is.

use super::data::{file, noise, upload};
use bib_node_tests::{Lab, Node, NodeSpec, chunk_files, until};
use serde_json::Value;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

/// Waits until a change of a file now would get another time than the last one.
fn settle(lab: &Lab, path: &Path) {
    let changed = |path: &Path| {
        let about = std::fs::metadata(path).unwrap();
        Duration::new(about.ctime().try_into().unwrap(), about.ctime_nsec().try_into().unwrap())
    };
    until("the last change lies back", Duration::from_secs(30), || {
        changed(&file(lab.path(), "now", b"")).saturating_sub(changed(path)).as_millis() > 300
    })
    .unwrap();
}

fn kept(version: &Value) -> u64 {
    version["keptFiles"].as_u64().unwrap()
}

fn check(node: &Node, folder: &Path, out: &Path) {
    node.bib(&["dataset", "download", "t/d", "--out", out.to_str().unwrap()]).unwrap().ok().unwrap();
    let compared = std::process::Command::new("diff").arg("-r").args([folder, out]).output().unwrap();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
    assert_eq!(node.json(&["dataset", "verify", "t/d"]).unwrap()["ok"], true);
}

#[test]
fn only_what_changed_is_read_and_sent() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("one")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    let folder = lab.path().join("folder");
    let small: Vec<_> =
        (0..40_u64).map(|n| file(&folder, &format!("{}/f{n:03}.bin", n % 4), &noise(n + 1, 3000))).collect();
    let large = file(&folder, "large.bin", &noise(100, 6 << 20));
    settle(&lab, &large);
    let put = || upload(&node, &folder, "t", "d");

    let one = put();
    assert_eq!((kept(&one), &one["files"]), (0, &41.into()));
    let same = put();
    assert_eq!((kept(&same), &same["created"], &same["id"]), (41, &false.into(), &one["id"]));

    // an edit, a new mode, a new file, one that went; and an edit whose time was set back to look like none
    let about = std::fs::metadata(&small[3]).unwrap();
    std::fs::write(&small[0], noise(500, 3000)).unwrap();
    std::fs::set_permissions(&small[1], std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::remove_file(&small[2]).unwrap();
    std::fs::write(&small[3], noise(501, 3000)).unwrap();
    std::fs::File::options().write(true).open(&small[3]).unwrap().set_modified(about.modified().unwrap()).unwrap();
    settle(&lab, &file(&folder, "new.bin", &noise(502, 3000)));
    let two = put();
    // the four that are sent are small and share a chunk
    assert_eq!((kept(&two), &two["newBytes"], &two["newChunks"]), (37, &12_000.into(), &1.into()), "{two}");
    check(&node, &folder, &lab.path().join("out"));

    // a large file that was only touched is read, and not sent
    let later = std::fs::metadata(&large).unwrap().modified().unwrap() + Duration::from_secs(1);
    std::fs::File::options().write(true).open(&large).unwrap().set_modified(later).unwrap();
    settle(&lab, &large);
    let touched = put();
    assert_eq!((kept(&touched), &touched["id"]), (41, &two["id"]));
    let all = ["dataset", "upload", folder.to_str().unwrap(), "--topic", "t", "--name", "d", "--read-all"];
    let all = node.json(&all).unwrap();
    assert_eq!((kept(&all), &all["id"]), (0, &two["id"]));

    // what the node lost is sent again
    let lost = chunk_files(&node).into_iter().find(|path| std::fs::metadata(path).unwrap().len() > 1 << 20).unwrap();
    std::fs::remove_file(&lost).unwrap();
    let mended = put();
    assert_eq!((kept(&mended), mended["newBytes"].as_u64() > Some(1 << 20)), (0, true), "{mended}");
    assert!(lost.exists());
    check(&node, &folder, &lab.path().join("again"));
    assert_eq!(kept(&put()), 41);
}

/// Stands where a node takes open files, and refuses the first of them. Answers the inodes of what it was passed.
fn stand_in(socket: &Path) -> std::thread::JoinHandle<Vec<u64>> {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    use std::io::Write;
    use std::mem::MaybeUninit;
    std::fs::remove_file(socket).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut inodes = Vec::new();
        loop {
            let mut byte = [0];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [std::io::IoSliceMut::new(&mut byte)];
            if recvmsg(&stream, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap().bytes == 0 {
                return inodes;
            }
            for message in control.drain() {
                let RecvAncillaryMessage::ScmRights(files) = message else { continue };
                inodes.extend(files.map(|fd| std::fs::File::from(fd).metadata().unwrap().ino()));
            }
            stream.write_all(&bib_proto::passing::REFUSED).unwrap();
        }
    })
}

#[test]
fn large_files_are_passed_and_sent_where_the_node_does_not_take_them() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::full("one")).unwrap();
    node.start().unwrap();
    node.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();
    let folder = lab.path().join("folder");
    let large: Vec<_> =
        (0..2).map(|n| file(&folder, &format!("large{n}.bin"), &noise(200 + n, (5 << 20) + 3))).collect();
    file(&folder, "small.bin", &noise(210, 3000));
    let put = |name: &str| upload(&node, &folder, "t", name)["id"].as_str().unwrap().to_owned();
    let passed = put("d");
    check(&node, &folder, &lab.path().join("out"));

    let socket = node.data_dir().join("run/fds.sock");
    let refusing = stand_in(&socket);
    let sent = put("sent");
    let inodes: Vec<u64> = large.iter().map(|path| std::fs::metadata(path).unwrap().ino()).collect();
    assert_eq!(refusing.join().unwrap(), inodes);
    std::fs::remove_file(&socket).unwrap();
    let without = put("without");
    let hashes = |name: &str, id: &str| {
        let answer = node.json(&["dataset", "get", &format!("t/{name}"), "--version", id]).unwrap();
        answer["entries"].clone()
    };
    let wanted = hashes("d", &passed);
    assert_eq!(wanted.as_array().map(Vec::len), Some(3), "{wanted}");
    assert_eq!((hashes("sent", &sent), hashes("without", &without)), (wanted.clone(), wanted));
}
