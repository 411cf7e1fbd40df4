//! Versions share chunks, on disk and on the wire.

use super::data::{file, noise, upload};
use bib_node_tests::{Lab, NodeSpec, chunk_files, has, pair, until};
use std::time::Duration;

#[test]
fn two_versions_store_and_move_only_what_is_new() {
    let lab = Lab::new().unwrap();
    let mut first = lab.node(NodeSpec::full("first")).unwrap();
    let mut second = lab.node(NodeSpec::cache("second")).unwrap();
    first.start().unwrap();
    second.start().unwrap();
    pair(&first, &second).unwrap();
    first.bib(&["topic", "create", "t"]).unwrap().ok().unwrap();

    let mut bytes = noise(1, 24 << 20);
    let path = file(lab.path(), "big.bin", &bytes);
    let one = upload(&first, &path, "t", "big");
    assert_eq!(one["newBytes"], 24 << 20);
    let again = upload(&first, &path, "t", "big");
    assert_eq!((&again["created"], &again["id"]), (&false.into(), &one["id"]), "the same content made a version");

    until("the topic is known", Duration::from_secs(60), || {
        second.bib(&["topic", "subscribe", "t"]).is_ok_and(|o| o.code == 0)
    })
    .unwrap();
    until("the first version arrives", Duration::from_secs(60), || has(&second, "t/big")).unwrap();
    let before = chunk_files(&second).len();

    bytes.splice(0..0, *b"a few bytes at the front");
    let path = file(lab.path(), "big.bin", &bytes);
    let two = upload(&first, &path, "t", "big");
    assert_eq!(two["number"], 2);
    assert_eq!(two["parents"][0], one["id"]);
    let new = two["newBytes"].as_u64().unwrap();
    assert!(new <= 5 << 20, "{new} bytes are new after an insertion of 24");
    until("the second version arrives", Duration::from_secs(60), || {
        second
            .json(&["dataset", "get", "t/big"])
            .is_ok_and(|a| a["version"]["id"] == two["id"] && a["version"]["complete"] == true)
    })
    .unwrap();
    let more = chunk_files(&second).len() - before;
    assert!(u64::try_from(more).unwrap() <= two["newChunks"].as_u64().unwrap(), "{more} chunks moved");

    let out = lab.path().join("old");
    let words = ["dataset", "download", "t/big", "--version", "1", "--out", out.to_str().unwrap()];
    second.bib(&words).unwrap().ok().unwrap();
    assert_eq!(std::fs::read(out.join("big.bin")).unwrap(), noise(1, 24 << 20), "the old version changed");
}
