//! The independent verifier has the secret of a node's audit log from the node's own file: `docs/reference/audit-log.md`.

use super::shell::{bad, good, root};
use bib_node_tests::{Lab, NodeSpec};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a seed of ones gives for the purpose `secrets`, which a test of the swarm holds fast.
const DERIVED_FROM_ONES: &str = "65e2b325ef523bcda575d7cb291417674d5ac036d7d75867487d7ed6e5f129a5";
/// And for the audit log, as the page says.
const AUDIT_FROM_ONES: &str = "91be8ff6eb285b42336e5b68e1ca78ed72fd808f62a4afa1eb6a1342148ecfff";
/// What the secret of the audit log is derived for.
const PURPOSE: &str = "\"bib/audit/hmac/v1\"";

fn folder() -> PathBuf {
    root().join("examples/audit-verify")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn verifier(log: &Path, identity: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(folder().join("verify.py")).arg(log).args(["--was", "user=ann", "--identity"]).arg(identity);
    command
}

#[test]
fn the_verifier_derives_secrets_as_a_node_does() {
    let derived = |purpose: &str| {
        let lines = format!("import verify; print(verify.derive(bytes([1]) * 32, b{purpose}).hex())");
        good(Command::new("python3").args(["-B", "-c", &lines]).current_dir(folder()))
    };
    assert_eq!(derived("\"secrets\""), DERIVED_FROM_ONES);
    assert!(text("bib-actors/swarm/src/identity.rs").contains(DERIVED_FROM_ONES));
    assert_eq!(derived(PURPOSE), AUDIT_FROM_ONES);
    assert!(text("docs/reference/audit-log.md").contains(AUDIT_FROM_ONES));
    for source in ["bib-actors/src/node.rs", "examples/audit-verify/verify.py"] {
        assert!(text(source).contains(PURPOSE), "{source} derives it for something else than {PURPOSE}");
    }
}

#[test]
fn the_verifier_reads_the_identity_of_a_node() {
    let lab = Lab::new().unwrap();
    let mut node = lab.node(NodeSpec::cache("lab")).unwrap();
    node.start().unwrap();
    node.stop().unwrap();
    let (log, identity) = (node.data_dir().join("audit"), node.data_dir().join("identity.key"));
    let said = good(&mut verifier(&log, &identity));
    assert!(said.starts_with("{\"ok\": true"), "{said}");

    let damaged = lab.path().join("identity.key");
    std::fs::write(&damaged, std::fs::read_to_string(&identity).unwrap().replacen("seed ", "seed 0", 1)).unwrap();
    let refused = bad(&mut verifier(&log, &damaged));
    assert!(refused.contains("is not the identity.key of a node"), "{refused}");
}
