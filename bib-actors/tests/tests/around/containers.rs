//! The images in a real engine.

use super::base::{Base, base};
use super::compose::two_nodes_by_compose;
use super::engine::Engine;
use super::shell::{bad, good, root};
use super::unit::as_seccomp;
use bib_node_tests::Lab;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// What the compose file and its page call the image of a node.
pub(crate) const NODE: &str = "bib/bibd";
const POSTGRES: &str = "bib/postgres:test";

#[test]
fn the_images_do_what_they_promise() {
    let base = base();
    let lab = Lab::new().unwrap();
    let engine = Engine::start();
    let image = base.image();
    let import = engine.docker(&["import", "-", &image]).stdin(File::open(&base.archive).unwrap()).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    build_postgres(&engine, &lab, &base);
    postgres_lets_its_roles_in_and_nobody_else(&engine);
    two_nodes_by_compose(&engine, &lab, &base);
    the_unit_forbids_nothing_that_is_needed(&engine);
    assert_eq!(engine.run(&["ps", "--all", "--quiet"]), "", "containers are left");
    assert_eq!(engine.run(&["volume", "ls", "--quiet"]), "", "volumes are left");
    let folder = engine.path().to_owned();
    drop(engine);
    assert!(!folder.exists(), "{} is left", folder.display());
}

/// The image that no page is about. The engine's classic builder makes what stands before it in the file, too.
fn build_postgres(engine: &Engine, lab: &Lab, base: &Base) {
    let context = lab.path().join("context");
    std::fs::create_dir(&context).unwrap();
    good(Command::new("cp").arg("-a").arg(root().join("containers")).arg(&context));
    for program in ["bib", "bibd"] {
        std::fs::write(context.join(program), "").unwrap();
    }
    let (file, arguments) = (context.join("containers/Dockerfile"), base.words());
    let mut words = vec!["build", "--network", "host", "--target", "postgres", "-t", POSTGRES];
    words.extend(arguments.iter().map(String::as_str));
    words.extend(["-f", file.to_str().unwrap(), context.to_str().unwrap()]);
    engine.run(&words);
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

/// What the compose file says about privileges is so inside.
pub(crate) fn hardened(engine: &Engine, container: &str) {
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
