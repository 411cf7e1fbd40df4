//! Who stands under `[[users]]` at a start may log in, as what stands there, and nobody else.

use bib_node_tests::{Lab, Node, NodeSpec, Outcome};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A key's file, and its entry for the configuration.
fn key(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status().unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
    (path, public.trim().to_owned())
}

fn entry(name: &str, role: &str, key: &str) -> String {
    format!("[[users]]\nname = \"{name}\"\nrole = \"{role}\"\nkey = \"{key}\"\n")
}

fn configure(node: &Node, before: &str, people: &str) {
    std::fs::write(node.config_dir().join("bibd.toml"), format!("{before}{people}")).unwrap();
}

fn over_tls(node: &Node, config: &Path, words: &[&str]) -> Outcome {
    let more = ["--no-input", "--config-dir", config.to_str().unwrap()];
    node.program(&[words, &more[..]].concat()).unwrap()
}

fn connect(node: &Node, config: &Path, key: &Path) -> Outcome {
    let fingerprint = node.json(&["status"]).unwrap()["tlsFingerprint"].as_str().unwrap().to_owned();
    let fingerprint = format!("sha256:{}", fingerprint.trim_start_matches("sha256:"));
    let address = node.grpc().to_string();
    over_tls(node, config, &["connect", &address, "--fingerprint", &fingerprint, "--ssh-key", key.to_str().unwrap()])
}

#[test]
fn the_configuration_says_who_comes_in_and_as_what() {
    let lab = Lab::new().unwrap();
    let (ada, ada_public) = key(lab.path(), "ada");
    let (eve, eve_public) = key(lab.path(), "eve");
    let mut node = lab.node(NodeSpec::cache("alone")).unwrap();
    let before = std::fs::read_to_string(node.config_dir().join("bibd.toml")).unwrap();
    configure(&node, &before, &[entry("ada", "admin", &ada_public), entry("eve", "admin", &eve_public)].concat());
    node.start().unwrap();
    let homes = [("ada", &ada), ("eve", &eve)].map(|(name, key)| (lab.path().join(format!("home-{name}")), key));
    for (home, key) in &homes {
        let opened = connect(&node, home, key);
        assert_eq!(opened.code, 0, "{}", opened.stderr);
        assert_eq!(over_tls(&node, home, &["admin", "audit", "list"]).code, 0);
    }

    // one has another role from now on, the other has left
    node.stop().unwrap();
    configure(&node, &before, &entry("ada", "reader", &ada_public));
    node.start().unwrap();
    let [(ada_home, _), (eve_home, _)] = &homes;
    let log = over_tls(&node, ada_home, &["admin", "audit", "list"]);
    assert_eq!(log.code, 5, "what an administrator may: {}{}", log.stdout, log.stderr);
    assert_eq!(over_tls(&node, ada_home, &["topic", "list"]).code, 0);
    let gone = over_tls(&node, eve_home, &["topic", "list"]);
    assert_eq!(gone.code, 4, "{}{}", gone.stdout, gone.stderr);
    let refused = connect(&node, &lab.path().join("again"), &eve);
    assert_eq!(refused.code, 4, "{}{}", refused.stdout, refused.stderr);
    let taken = node.json(&["admin", "audit", "list", "--action", "user.remove-key"]).unwrap();
    assert!(taken.as_array().unwrap().iter().any(|record| record["outcome"] == "ok"), "{taken}");

    // and comes back
    node.stop().unwrap();
    configure(&node, &before, &[entry("ada", "reader", &ada_public), entry("eve", "reader", &eve_public)].concat());
    node.start().unwrap();
    let opened = connect(&node, eve_home, &eve);
    assert_eq!(opened.code, 0, "{}", opened.stderr);
}
