//! The client in Python against a real node, made ready as its README says.

use super::shell::{bad, good, root};
use super::venv::environment;
use bib_node_tests::{Lab, Node, NodeSpec};
use std::path::{Path, PathBuf};
use std::process::Command;

fn example() -> PathBuf {
    root().join("examples/clients/python")
}

/// The client with its generated modules, for one node and one person.
struct Client<'a> {
    python: PathBuf,
    generated: PathBuf,
    node: &'a Node,
    key: PathBuf,
}

impl Client<'_> {
    fn example(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(example().join("example.py")).env("PYTHONPATH", &self.generated);
        command.args(["--node", &format!("localhost:{}", self.node.grpc().port())]);
        command.arg("--ca").arg(self.node.data_dir().join("tls/ca.pem")).arg("--key").arg(&self.key).args(words);
        command
    }

    /// What somebody's own lines get of the client, in `node`.
    fn lines(&self, lines: &str) -> Command {
        let text = format!("import sys\nfrom bib_client import *\nwith Node(*sys.argv[1:]) as node:\n    {lines}");
        let mut command = Command::new(&self.python);
        let path = std::env::join_paths([self.generated.clone(), example()]).unwrap();
        command.env("PYTHONPATH", path).args(["-B", "-c", &text, &format!("localhost:{}", self.node.grpc().port())]);
        command.arg(self.node.data_dir().join("tls/ca.pem")).arg(&self.key);
        command
    }
}

fn generate(python: &Path, folder: &Path) -> PathBuf {
    let (protos, generated) = (root().join("schema/proto"), folder.join("generated"));
    std::fs::create_dir(&generated).unwrap();
    let mut command = Command::new(python);
    command.args(["-m", "grpc_tools.protoc", "-I"]).arg(&protos);
    for out in ["--python_out", "--grpc_python_out"] {
        command.arg(format!("{out}={}", generated.display()));
    }
    let mut files: Vec<_> =
        std::fs::read_dir(protos.join("bib/v1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    good(command.args(files));
    generated
}

fn key(folder: &Path, name: &str, passphrase: &str) -> PathBuf {
    let path = folder.join(name);
    good(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(&path));
    path
}

#[test]
fn a_client_in_python_lists_uploads_downloads_and_queries() {
    let lab = Lab::new().unwrap();
    let python = environment(&example().join("requirements.txt")).join("python");
    let [ada, stranger] = ["ada", "stranger"].map(|name| key(lab.path(), name, ""));
    let locked = key(lab.path(), "locked", "only I know it");
    let public = std::fs::read_to_string(ada.with_extension("pub")).unwrap();
    let more = format!("[[users]]\nname = \"ada\"\nrole = \"researcher\"\nkey = \"{}\"\n", public.trim());
    let mut node = lab.node(NodeSpec { more, ..NodeSpec::selective("lab") }).unwrap();
    node.start().unwrap();
    let generated = generate(&python, lab.path());
    let mut client = Client { python, generated, node: &node, key: ada };

    node.bib(&["topic", "create", "flights"]).unwrap().ok().unwrap();
    let data = root().join("examples/data");
    let put = good(&mut client.example(&["upload", "flights/nyc", data.to_str().unwrap()]));
    assert!(put.starts_with("flights/nyc\tv1\tsha256:") && put.ends_with("new=True"), "{put}");
    let version = node.json(&["dataset", "get", "flights/nyc"]).unwrap()["version"]["id"].as_str().unwrap().to_owned();
    assert!(put.contains(&version), "{put} is not {version}");
    let listed = good(&mut client.example(&["list"]));
    assert!(listed.starts_with("flights/nyc\tv1\t4 files\t") && listed.contains(&version), "{listed}");

    let warmest = r#"dataset("flights/nyc", "weather.csv").aggregate(r, {"origin": r.origin}, {"hours": count()}).sort(r, r.origin)"#;
    let rows = good(&mut client.example(&["query", warmest]));
    assert_eq!(rows, "origin=EWR\thours=8703\norigin=JFK\thours=8706\norigin=LGA\thours=8706");

    let copy = lab.path().join("copy");
    assert_eq!(good(&mut client.example(&["download", "flights/nyc", copy.to_str().unwrap()])), version);
    good(Command::new("diff").arg("-r").args([&data, &copy]));

    let wrong = bad(&mut client.example(&["query", r#"dataset("flights/nyc", "weather.csv").filter(r, r.tmp > 1.0)"#]));
    assert!(wrong.contains("[INVALID_EXPRESSION]") && wrong.contains("try:  "), "{wrong}");
    let nothing = bad(&mut client.example(&["download", "flights/none", lab.path().join("x").to_str().unwrap()]));
    assert!(nothing.contains("[DATASET_NOT_FOUND]") && nothing.contains("bib dataset list"), "{nothing}");
    let mistyped = bad(&mut client.example(&["upload", "flights/nyc", data.with_extension("d").to_str().unwrap()]));
    assert!(mistyped.contains("is not a folder: nothing was uploaded") && !mistyped.contains("Trace"), "{mistyped}");
    assert_eq!(good(&mut client.example(&["list"])), listed, "a version without files was published");
    // the session has ended by itself, so it cannot be ended: that is not what went wrong
    let end = "auth_pb2_grpc.AuthServiceStub(node.channel).Logout(auth_pb2.LogoutRequest())";
    let hidden = bad(&mut client.lines(&format!("{end}; raise KeyError('the real one')")));
    assert!(hidden.ends_with("KeyError: 'the real one'\n") && !hidden.contains("RpcError"), "{hidden}");
    client.key = stranger;
    let outside = bad(&mut client.example(&["list"]));
    assert!(outside.contains("[KEY_UNKNOWN]"), "{outside}");
    client.key = locked;
    let asked = bad(&mut client.example(&["list"]));
    assert!(asked.contains("is protected by a passphrase") && !asked.contains("Trace"), "{asked}");
    node.stop().unwrap();
}
