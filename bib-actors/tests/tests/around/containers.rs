//! The images and the compose file, in a real engine.

use super::base::base;
use super::engine::Engine;
use super::shell::{bad, end, good, root};
use super::unit::as_seccomp;
use bib_node_tests::{Lab, free_port, until};
use serde_json::Value;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

const NODE: &str = "bib/bibd:test";
const POSTGRES: &str = "bib/postgres:test";
const FLIGHTS: u64 = 336_776;

#[test]
fn the_images_do_what_they_promise() {
    let base = base();
    let lab = Lab::new().unwrap();
    let engine = Engine::start();
    let import =
        engine.docker(&["import", "-", "bib/base:test"]).stdin(File::open(&base.archive).unwrap()).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    build(&engine, &lab, base.postgres);
    postgres_lets_its_roles_in_and_nobody_else(&engine);
    two_nodes_by_compose(&engine, &lab);
    the_unit_forbids_nothing_that_is_needed(&engine);
    assert_eq!(engine.run(&["ps", "--all", "--quiet"]), "", "containers are left");
    assert_eq!(engine.run(&["volume", "ls", "--quiet"]), "", "volumes are left");
    let folder = engine.path().to_owned();
    drop(engine);
    assert!(!folder.exists(), "{} is left", folder.display());
}

/// Both images, from the one Dockerfile, with the programs that were built beside this test.
fn build(engine: &Engine, lab: &Lab, postgres: &str) {
    let context = lab.path().join("context");
    std::fs::create_dir(&context).unwrap();
    good(Command::new("cp").arg("-a").arg(root().join("containers")).arg(&context));
    for program in ["bib", "bibd"] {
        good(Command::new("strip").arg("-o").arg(context.join(program)).arg(lab.program(program)));
    }
    let (file, folder) = (context.join("containers/Dockerfile"), context.to_str().unwrap());
    let version = format!("POSTGRES_VERSION={postgres}");
    for (target, tag) in [("postgres", POSTGRES), ("bibd-prebuilt", NODE)] {
        let words = ["build", "--network", "host", "--build-arg", "BASE=bib/base:test", "--build-arg", &version];
        engine.run(&[&words[..], &["--target", target, "-t", tag, "-f", file.to_str().unwrap(), folder]].concat());
    }
    std::fs::remove_dir_all(context).unwrap();
}

/// The words of `docker run` for PostgreSQL as it is meant to run: no network, nothing to write but its volumes.
fn run<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let hardened = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
    let volumes =
        ["--tmpfs", "/tmp", "--volume", "pgdata:/var/lib/bib-postgres", "--volume", "pgrun:/run/bib-postgres"];
    let mut words = vec!["run"];
    words.extend(hardened);
    words.extend(volumes);
    words.extend(more);
    words
}

fn postgres_lets_its_roles_in_and_nobody_else(engine: &Engine) {
    let secret = engine.path().join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    // the container's user reads it, as an engine's secret lets it
    std::fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
    let secret = format!("{}:/run/secrets/bib-postgres:ro", secret.display());
    let without = bad(&mut engine.docker(&run(&["--rm", POSTGRES])));
    assert!(without.contains("/run/secrets/bib-postgres is missing"), "{without}");
    engine.run(&run(&["--detach", "--name", "pg", "--volume", &secret, POSTGRES]));
    engine.healthy("pg");

    // as bibd will: another container that shares nothing but the socket's volume
    let psql = |user: &str, role: &str, password: &str, database: &str, sql: &str| {
        let target = format!("host=/run/bib-postgres user={role} dbname={database}");
        let password = format!("PGPASSWORD={password}");
        let volume = ["--volume", "pgrun:/run/bib-postgres", "--env", &password];
        let words = ["--user", user, "--entrypoint", "psql", POSTGRES, "-XAtqc", sql, &target];
        engine.docker(&[&["run", "--rm", "--network", "none"], &volume[..], &words].concat())
    };
    let admin = |sql: &str| good(&mut psql("10001", "bibd_admin_a", "correct horse", "postgres", sql));
    assert_eq!(admin("select current_user, current_setting('listen_addresses')"), "bibd_admin_a|");
    assert_eq!(admin("show data_checksums"), "on");
    admin("create role intruder login superuser password 'x'; create table kept (n int); insert into kept values (7)");
    let refused = |user: &str, role: &str, password: &str, database: &str, why: &str| {
        let said = bad(&mut psql(user, role, password, database, "select 1"));
        assert!(said.contains(why), "{role}: {said}");
    };
    refused("10001", "bibd_admin_a", "wrong", "postgres", "password authentication failed");
    refused("10001", "intruder", "x", "postgres", "pg_hba.conf rejects");
    refused("10001", "bibd_admin_a", "correct horse", "template1", "pg_hba.conf rejects");
    refused("10002", "bibd_admin_a", "correct horse", "postgres", "Permission denied");
    let listening = engine.exec("pg", &["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    assert!(!listening.contains(" 0A "), "something listens on TCP:\n{listening}");

    engine.run(&["stop", "pg"]);
    assert_eq!(engine.run(&["inspect", "--format", "{{.State.ExitCode}}", "pg"]), "0");
    engine.run(&["rm", "pg"]);
    // the password is in the data directory now, and what was written is kept
    engine.run(&run(&["--detach", "--name", "pg", POSTGRES]));
    engine.healthy("pg");
    assert_eq!(admin("select n from kept"), "7");
    engine.run(&["rm", "--force", "pg"]);
    engine.run(&["volume", "rm", "pgdata", "pgrun"]);
}

/// Two nodes from the compose file, with this engine's image, ports that are free and the example data.
struct Pair<'a> {
    engine: &'a Engine,
    ports: [u16; 2],
}

impl Pair<'_> {
    fn compose(&self, words: &[&str]) -> Command {
        let file = root().join("containers/compose.yaml");
        let named = ["--project-name", "bib", "--file", file.to_str().unwrap()];
        let mut command = self.engine.compose(&[&named[..], words].concat());
        command.env("BIB_IMAGE", NODE).env("BIB_DATA", root().join("examples/data"));
        command.env("LAB_A_PORT", self.ports[0].to_string()).env("LAB_B_PORT", self.ports[1].to_string());
        command
    }

    fn container(&self, service: &str) -> String {
        good(&mut self.compose(&["ps", "-q", service]))
    }

    fn bib(&self, container: &str, words: &[&str]) -> Value {
        let text = self.engine.exec(container, &[&["bib"], words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }
}

fn two_nodes_by_compose(engine: &Engine, lab: &Lab) {
    let pair = Pair { engine, ports: [free_port(), free_port()] };
    good(&mut pair.compose(&["up", "--detach", "--no-build"]));
    let (a, b) = (pair.container("lab-a"), pair.container("lab-b"));
    engine.healthy(&a);
    engine.healthy(&b);

    pair.bib(&a, &["topic", "create", "flights"]);
    let put = pair.bib(&a, &["dataset", "upload", "/data", "--topic", "flights", "--name", "nyc"]);
    let ticket = engine.exec(&a, &["bib", "invite", "--quiet"]);
    pair.bib(&b, &["join", ticket.trim()]);
    pair.bib(&b, &["topic", "subscribe", "flights"]);
    until("the dataset is on the second node", Duration::from_secs(120), || {
        let got = end(&mut engine.docker(&["exec", &b, "bib", "dataset", "get", "flights/nyc", "--json"]));
        serde_json::from_slice::<Value>(&got.stdout).is_ok_and(|got| got["version"]["complete"] == true)
    })
    .unwrap();
    let count = r#"dataset("flights/nyc", "flights.parquet").aggregate(r, {}, {"n": count()})"#;
    assert_eq!(pair.bib(&b, &["dataset", "query", count])[0]["n"], FLIGHTS);
    assert_eq!(pair.bib(&b, &["dataset", "get", "flights/nyc"])["version"]["id"], put["id"], "{put}");
    verified(&pair, &b);
    hardened(engine, &a);
    reached_from_outside(&pair, lab, &a);
    comes_back(&pair, &a);
    let nodes = find_each_other_at_new_addresses(&pair);

    good(&mut pair.compose(&["stop"]));
    for container in &nodes {
        assert_eq!(engine.run(&["inspect", "--format", "{{.State.ExitCode}}", container]), "0", "not stopped in order");
    }
    good(&mut pair.compose(&["down", "--volumes"]));
}

fn verified(pair: &Pair, container: &str) {
    pair.engine.exec(container, &["bib", "dataset", "verify", "flights/nyc"]);
    assert_eq!(pair.bib(container, &["admin", "audit", "verify"])["ok"], true);
}

/// What the compose file says about privileges is so inside.
fn hardened(engine: &Engine, container: &str) {
    assert_eq!(engine.exec(container, &["id", "-u"]), "10001");
    let status = engine.exec(container, &["cat", "/proc/1/comm", "/proc/1/status"]);
    for line in ["tini", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.lines().any(|given| given == line), "{line:?} is not in\n{status}");
    }
    for place in ["/", "/etc", "/usr/local/bin", "/var"] {
        let said = bad(&mut engine.docker(&["exec", container, "touch", &format!("{place}/written")]));
        assert!(said.contains("Read-only file system") || said.contains("Permission denied"), "{said}");
    }
    let alone = bad(&mut engine.docker(&["run", "--rm", NODE, "bib", "status", "--exit-code", "--quiet"]));
    assert!(alone.contains("NODE_UNREACHABLE"), "the check is healthy without a node: {alone}");
}

/// The published port is the node's, under its own certificate.
fn reached_from_outside(pair: &Pair, lab: &Lab, container: &str) {
    let fingerprint = pair.bib(container, &["status"])["tlsFingerprint"].as_str().unwrap().to_owned();
    let config = lab.path().join("outside");
    let mut bib = Command::new(lab.program("bib"));
    bib.args(["--no-input", "connect", &format!("127.0.0.1:{}", pair.ports[0]), "--config-dir"]).arg(config);
    let said = bad(bib.stderr(Stdio::piped()));
    assert!(said.contains("TRUST_UNKNOWN") && said.contains(&fingerprint), "{said}");
}

/// A container that was killed, and one whose bibd died, have everything again.
fn comes_back(pair: &Pair, container: &str) {
    let engine = pair.engine;
    engine.run(&["kill", "--signal", "KILL", container]);
    engine.run(&["start", container]);
    engine.healthy(container);
    verified(pair, container);

    let restarts = || engine.run(&["inspect", "--format", "{{.RestartCount}}", container]).parse::<u32>().unwrap();
    let before = restarts();
    // the shell goes down with its container
    end(&mut engine.docker(&["exec", container, "sh", "-c", "kill -9 $(cat /var/lib/bib/bibd.lock)"]));
    until("the engine starts it again", Duration::from_secs(60), || restarts() > before).unwrap();
    engine.healthy(container);
    verified(pair, container);
}

/// Containers that are made anew, in the other order, have other addresses, and perhaps each other's.
fn find_each_other_at_new_addresses(pair: &Pair) -> [String; 2] {
    good(&mut pair.compose(&["down"]));
    good(&mut pair.compose(&["up", "--detach", "--no-build", "lab-b"]));
    good(&mut pair.compose(&["up", "--detach", "--no-build"]));
    let nodes = ["lab-a", "lab-b"].map(|service| pair.container(service));
    for node in &nodes {
        pair.engine.healthy(node);
        until("the other node is found", Duration::from_secs(120), || {
            let listed = end(&mut pair.engine.docker(&["exec", node, "bib", "node", "list", "--json"]));
            serde_json::from_slice::<Value>(&listed.stdout).is_ok_and(|listed| listed[0]["connected"] == true)
        })
        .unwrap();
    }
    verified(pair, &nodes[1]);
    nodes
}

/// A node works under the filter of system calls that the systemd unit sets, its PostgreSQL too.
fn the_unit_forbids_nothing_that_is_needed(engine: &Engine) {
    let profile = engine.path().join("seccomp.json");
    std::fs::write(&profile, as_seccomp().to_string()).unwrap();
    let filter = format!("seccomp={}", profile.display());
    let data = format!("{}:/data:ro", root().join("examples/data").display());
    let words = ["run", "--detach", "--name", "filtered", "--network", "none", "--read-only", "--tmpfs", "/tmp"];
    let more = ["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", &filter];
    engine.run(&[&words[..], &more, &["--env", "BIBD_MODE=full", "--volume", &data, NODE]].concat());
    engine.healthy("filtered");
    engine.exec("filtered", &["bib", "topic", "create", "flights"]);
    engine.exec("filtered", &["bib", "dataset", "upload", "/data", "--topic", "flights", "--name", "nyc"]);
    let count = r#"dataset("flights/nyc", "flights.csv").filter(r, r.dep_delay > 60)"#;
    engine.exec("filtered", &["bib", "dataset", "query", count]);
    engine.exec("filtered", &["bib", "dataset", "verify", "flights/nyc"]);
    engine.run(&["stop", "--time", "60", "filtered"]);
    assert_eq!(engine.run(&["inspect", "--format", "{{.State.ExitCode}}", "filtered"]), "0");
    engine.run(&["rm", "--volumes", "filtered"]);
}
