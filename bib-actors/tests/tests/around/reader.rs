//! The reader of a page at one machine, whose node has its configuration at a place of its own.

use super::shell::good;
use bib_node_tests::{Lab, Node};
use std::process::Command;

/// How many seconds the commands of one block may take.
const PATIENCE: &str = "300";

/// Runs a block of a page where `bib` and `bibd` are those of `node`.
pub(crate) fn run(lab: &Lab, node: &Node, commands: &str) -> String {
    // the programs find their configuration by themselves where there is one node
    let script = format!(
        "bib() {{ command bib --config-dir \"$NODE\" \"$@\"; }}\n\
         bibd() {{ command bibd --config \"$NODE/bibd.toml\" \"$@\"; }}\n{commands}"
    );
    let programs = lab.program("bib").parent().unwrap().display().to_string();
    let mut command = Command::new("timeout");
    for name in ["SSH_AUTH_SOCK", "BIB_NODE", "BIB_SSH_KEY", "BIB_OUTPUT", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command.args([PATIENCE, "bash", "-euo", "pipefail", "-c", &script]).env("NODE", node.config_dir());
    command.env("HOME", node.config_dir().parent().unwrap());
    good(command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap())).current_dir(lab.path()))
}
