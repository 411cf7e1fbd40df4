//! Login over TLS with an SSH key, and trust on first use.

use bib_node_tests::{Lab, Node, NodeSpec, until};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn key(folder: &Path, name: &str, kind: &str) -> PathBuf {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(&path).status().unwrap();
    assert!(made.success());
    path
}

/// The lines of `bibd.toml` that make a key a user.
fn user(name: &str, key: &Path) -> String {
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    format!("[[users]]\nname = \"{name}\"\nrole = \"reader\"\nkey = \"{}\"\n", public.trim())
}

/// An SSH agent, gone when it is dropped.
struct Agent(Child, PathBuf);

impl Agent {
    fn with(folder: &Path, keys: &[&Path]) -> Self {
        let socket = folder.join("agent.sock");
        let mut command = Command::new("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdin(Stdio::null()).stdout(Stdio::null());
        let agent = Self(command.spawn().unwrap(), socket);
        until("the agent listens", Duration::from_secs(10), || UnixStream::connect(&agent.1).is_ok()).unwrap();
        for key in keys {
            let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &agent.1).status().unwrap();
            assert!(added.success());
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
    let more = user("ada", &good);
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
    // the session that is kept is that of one key: another one is nobody yet
    let other = over_tls(&node, config, &["topic", "list", "--ssh-key", wrong.to_str().unwrap()]);
    assert_eq!(other.code, 4, "{}{}", other.stdout, other.stderr);
    let forbidden = over_tls(&node, config, &["topic", "create", "x"]);
    assert_eq!(forbidden.code, 5, "a reader made a topic: {}", forbidden.stderr);

    let log = node.json(&["admin", "audit", "list", "--limit", "200"]).unwrap();
    let refusals: Vec<_> = log.as_array().unwrap().iter().filter(|record| record["outcome"] == "refused").collect();
    assert!(refusals.len() >= 2, "the refused login and the forbidden call are not in the log: {log}");
}

#[test]
fn each_key_is_its_own_user_and_each_context_keeps_its_key() {
    let lab = Lab::new().unwrap();
    let (ada, bob) = (key(lab.path(), "ada", "ed25519"), key(lab.path(), "bob", "ed25519"));
    let more = user("ada", &ada) + &user("bob", &bob);
    let mut node = lab.node(NodeSpec { more, ..NodeSpec::cache("alone") }).unwrap();
    node.start().unwrap();
    let config = lab.path().join("config");
    let config = config.to_str().unwrap();
    let address = node.grpc().to_string();
    let fingerprint = node.json(&["status"]).unwrap()["tlsFingerprint"].as_str().unwrap().to_owned();
    let fingerprint = format!("sha256:{}", fingerprint.trim_start_matches("sha256:"));
    let user_of = |words: &[&str]| {
        let all = [&["connect", &address, "--fingerprint", &fingerprint, "--json"], words].concat();
        over_tls(&node, config, &all).json().unwrap()["user"].as_str().unwrap().to_owned()
    };
    assert_eq!(user_of(&["--name", "first", "--ssh-key", ada.to_str().unwrap()]), "ada");
    assert_eq!(user_of(&["--name", "second", "--ssh-key", bob.to_str().unwrap()]), "bob");
    // without a key, it is that of the context
    assert_eq!(user_of(&["--name", "first"]), "ada");
    assert_eq!(user_of(&["--name", "second"]), "bob");
    assert_eq!(std::fs::read_dir(Path::new(config).join("sessions")).unwrap().count(), 2, "one for each key");

    let taken = over_tls(&node, config, &["connect", "127.0.0.1:1", "--name", "first", "--json"]);
    assert_eq!((taken.code, &taken.error_json().unwrap()["reason"]), (7, &"CONTEXT_EXISTS".into()));
    assert_eq!(over_tls(&node, config, &["--context", "first", "topic", "list"]).code, 0);

    // a flag wins over the token of the environment
    let mut command = Command::new(lab.program("bib"));
    command.args(["topic", "list", "--no-input", "--config-dir", config, "--context", "first"]);
    command.env("HOME", lab.path()).env("BIB_TOKEN", "nonsense").stdin(Stdio::null());
    assert_eq!(command.output().unwrap().status.code(), Some(4));
    assert!(command.arg("--ssh-key").arg(&ada).output().unwrap().status.success());
}

#[test]
fn keys_are_tried_until_one_is_known() {
    let lab = Lab::new().unwrap();
    let ssh = lab.path().join("home/.ssh");
    std::fs::create_dir_all(&ssh).unwrap();
    let (own, held) = (key(&ssh, "id_ed25519", "ed25519"), key(lab.path(), "held", "ed25519"));
    let (odd, unknown) = (lab.path().join("odd"), key(lab.path(), "unknown", "ed25519"));
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f"]).arg(&odd).status();
    assert!(made.unwrap().success());
    let more = user("own", &own) + &user("held", &held);
    let mut node = lab.node(NodeSpec { more, ..NodeSpec::cache("alone") }).unwrap();
    node.start().unwrap();
    let address = node.grpc().to_string();
    let fingerprint = node.json(&["status"]).unwrap()["tlsFingerprint"].as_str().unwrap().to_owned();
    let fingerprint = format!("sha256:{}", fingerprint.trim_start_matches("sha256:"));
    // each with files of its own, so that no session is kept
    let connect = |config: &str, home: &str, agent: &Path| {
        let mut command = Command::new(lab.program("bib"));
        command.args(["connect", &address, "--fingerprint", &fingerprint, "--no-input", "--config-dir"]);
        command.arg(lab.path().join(config)).env("HOME", lab.path().join(home)).env("SSH_AUTH_SOCK", agent);
        let output = command.env_remove("BIB_SSH_KEY").env_remove("BIB_TOKEN").stdin(Stdio::null()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, errors) = connect("gone", "home", &lab.path().join("no-agent"));
    assert!(code == Some(0) && said.contains(" as own"), "{said}{errors}");

    let agent = Agent::with(lab.path(), &[&odd, &unknown, &held]);
    let (code, said, errors) = connect("agent", "nobody", &agent.1);
    assert!(code == Some(0) && said.contains(" as held"), "{said}{errors}");
    drop(agent);

    std::fs::remove_file(lab.path().join("agent.sock")).unwrap_or_default();
    let agent = Agent::with(lab.path(), &[&odd, &unknown]);
    let (code, said, errors) = connect("files", "home", &agent.1);
    assert!(code == Some(0) && said.contains(" as own"), "{said}{errors}");
    let (code, _, errors) = connect("none", "nobody", &agent.1);
    assert_eq!(code, Some(4), "{errors}");
    assert_eq!(errors.matches("  ssh-agent key SHA256:").count(), 2, "both are named: {errors}");
}
