//! Login over TLS with an SSH key, and trust on first use.

use bib_node_tests::{Lab, Node, NodeSpec};
use std::path::{Path, PathBuf};
use std::process::Command;

fn key(folder: &Path, name: &str, kind: &str) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&path).status().unwrap();
    assert!(made.success());
    path
}

fn over_tls<'a>(node: &Node, config: &'a str, words: &[&'a str]) -> bib_node_tests::Outcome {
    let mut all = words.to_vec();
    all.extend(["--no-input", "--config-dir", config]);
    node.program(&all).unwrap()
}

#[test]
fn a_stranger_is_refused_and_a_known_key_gets_in() {
    let lab = Lab::new().unwrap();
    let (good, wrong) = (key(lab.path(), "good", "ed25519"), key(lab.path(), "wrong", "ed25519"));
    let public = std::fs::read_to_string(good.with_extension("pub")).unwrap();
    let more = format!("[[users]]\nname = \"ada\"\nrole = \"reader\"\nkey = \"{}\"\n", public.trim());
    let mut node = lab.node(NodeSpec { more, ..NodeSpec::cache("alone") }).unwrap();
    node.start().unwrap();
    let config = lab.path().join("ada");
    let config = config.to_str().unwrap();
    let address = node.grpc().to_string();

    let unknown = over_tls(&node, config, &["connect", &address, "--ssh-key", good.to_str().unwrap()]);
    assert_eq!(unknown.code, 15, "{}", unknown.stderr);
    let fingerprint = node.json(&["status"]).unwrap()["tlsFingerprint"].as_str().unwrap().to_owned();
    let fingerprint = format!("sha256:{}", fingerprint.trim_start_matches("sha256:"));
    assert!(unknown.stderr.contains(&fingerprint), "{} does not name {fingerprint}", unknown.stderr);

    let lie = format!("sha256:{}", "0".repeat(64));
    let changed =
        over_tls(&node, config, &["connect", &address, "--fingerprint", &lie, "--ssh-key", good.to_str().unwrap()]);
    assert_eq!(changed.code, 15, "{}", changed.stderr);

    let refused = over_tls(
        &node,
        config,
        &["connect", &address, "--fingerprint", &fingerprint, "--ssh-key", wrong.to_str().unwrap()],
    );
    assert_eq!(refused.code, 4, "{}", refused.stderr);

    let inside = over_tls(
        &node,
        config,
        &["connect", &address, "--fingerprint", &fingerprint, "--ssh-key", good.to_str().unwrap()],
    );
    assert_eq!(inside.code, 0, "{}", inside.stderr);
    assert!(inside.stdout.contains("ada"), "{}", inside.stdout);
    assert_eq!(over_tls(&node, config, &["topic", "list"]).code, 0);
    let forbidden = over_tls(&node, config, &["topic", "create", "x"]);
    assert_eq!(forbidden.code, 5, "a reader made a topic: {}", forbidden.stderr);

    let log = node.json(&["admin", "audit", "list", "--limit", "200"]).unwrap();
    let refusals: Vec<_> = log.as_array().unwrap().iter().filter(|record| record["outcome"] == "refused").collect();
    assert!(refusals.len() >= 2, "the refused login and the forbidden call are not in the log: {log}");
}
