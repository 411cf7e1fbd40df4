//! Which key is used, where an agent is in the way.

use crate::program::text;
use russh::keys::Algorithm;
use russh::keys::ssh_key::{LineEnding, PrivateKey};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

#[test]
fn an_agent_that_does_not_answer_leaves_time_for_the_users_own_key() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("agent");
    // takes connections, as the kernel does for it, and answers none
    let _silent = UnixListener::bind(&socket).unwrap();
    let sign = || {
        let challenge = format!("12D3KooWQNV9yRv3yvVjYWVPUmA4SvpQN1iDjZDVJnDVzZ1eDFGw.{}", "A".repeat(43));
        let mut command = Command::new(env!("CARGO_BIN_EXE_bib"));
        command.args(["auth", "sign", &challenge, "--timeout", "3s"]).env_clear().env("HOME", home.path());
        command.env("SSH_AUTH_SOCK", &socket).stdin(Stdio::null()).output().unwrap()
    };
    let alone = sign();
    assert_eq!(alone.status.code(), Some(4), "{}", text(&alone.stderr));
    assert!(text(&alone.stderr).contains("ssh-agent: it did not answer within 1.0 s"), "{}", text(&alone.stderr));
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let text_of_key = key.to_openssh(LineEnding::LF).unwrap();
    std::fs::write(home.path().join(".ssh/id_ed25519"), text_of_key.as_bytes()).unwrap();
    let signed = sign();
    assert!(text(&signed.stdout).starts_with("-----BEGIN SSH SIGNATURE-----"), "{}", text(&signed.stderr));
}
