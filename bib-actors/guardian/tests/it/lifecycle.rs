//! The life of the managed PostgreSQL: made, adopted, started again, stopped, refused.

use crate::support::{Backend, Home, Node, connect, new_topic, op, passwords, postmaster_pid, query, topic, until};
use bib_guardian::{GuardianError, SealKey};
use bib_kit::{Exit, probe};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

pub(crate) async fn topic_count(node: &Node) -> u64 {
    node.guardian.counts().await.unwrap().topics
}

/// Processes that work in this data directory: the postmaster and its children.
pub(crate) fn processes(data: &std::path::Path) -> Vec<i32> {
    let data = std::fs::canonicalize(data).unwrap();
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data)).collect()
}

fn parent(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// How many of them are no child of another.
fn postmasters(data: &std::path::Path) -> usize {
    let all = processes(data);
    all.iter().filter(|pid| parent(**pid).is_some_and(|parent| !all.contains(&parent))).count()
}

#[test]
fn made_stopped_and_started_again() {
    probe::run(async {
        let home = Home::new();
        let node = home.start(Backend::Postgres).await;
        let info = node.guardian.storage().await.unwrap();
        assert_eq!((info.runtime, info.notice.as_str()), ("process", ""));
        assert!(info.version.starts_with(|c: char| c.is_ascii_digit()), "{info:?}");
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        let pid = postmaster_pid(node.data_dir()).unwrap();
        assert_eq!(postmasters(&node.data_dir().join("postgres/data")), 1);

        let data_dir = node.data_dir().to_owned();
        let report = node.stop().await;
        assert_eq!(report.exit, Exit::Stopped);
        assert_eq!(postmaster_pid(&data_dir), None, "an orderly stop stops the database");
        assert!(kill(Pid::from_raw(pid), None).is_err());
        let control =
            std::process::Command::new(bin("pg_controldata")).arg(data_dir.join("postgres/data")).output().unwrap();
        let control = String::from_utf8(control.stdout).unwrap();
        assert!(control.contains("shut down\n"), "{control}");
        let checksums = control.lines().find(|line| line.contains("checksum")).unwrap();
        assert!(checksums.ends_with('1'), "{checksums}");

        let node = home.start(Backend::Postgres).await;
        assert_eq!(topic_count(&node).await, 1);
        node.stop().await;
    });
}

fn bin(program: &str) -> std::path::PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin").join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| program.into())
}

#[test]
fn a_live_server_is_adopted() {
    probe::run(async {
        let home = Home::new();
        let mut node = home.start(Backend::Postgres).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        let pid = postmaster_pid(node.data_dir()).unwrap();
        for _ in 0..3 {
            node.crash_and_restart().await;
            assert_eq!(postmaster_pid(node.data_dir()), Some(pid));
        }
        node.crash().await;
        // another guardian, as after a crash of the whole process
        let node = home.start(Backend::Postgres).await;
        assert_eq!(postmaster_pid(node.data_dir()), Some(pid));
        assert_eq!(postmasters(&node.data_dir().join("postgres/data")), 1);
        assert_eq!(topic_count(&node).await, 1);
        node.stop().await;
    });
}

#[test]
fn sessions_of_an_older_incarnation_are_ended() {
    probe::run(async {
        let home = Home::new();
        let mut node = home.start(Backend::Postgres).await;
        let password = passwords(node.data_dir())["bibd_node_a"].clone();
        let old = connect(node.data_dir(), "bibd_node_a", &password, "bib").await.unwrap();
        assert_eq!(query(&old, "select 1").await.unwrap(), "1");
        node.crash_and_restart().await;
        assert!(query(&old, "select 1").await.is_err(), "who was there before may not write any more");
        node.stop().await;
    });
}

#[test]
fn a_second_guardian_is_kept_out() {
    probe::run(async {
        let home = Home::new();
        let node = home.start(Backend::Postgres).await;
        // it waits for the lock, and gives up; the audit chain would refuse it too, so it has its own here
        let elsewhere = Home::new();
        let mut options = home.options(Backend::Postgres);
        options.data_dir = home.path();
        let refused = Node::refusal(&elsewhere, options).await;
        assert!(refused.contains("another bibd uses"), "{refused}");
        assert_eq!(postmasters(&node.data_dir().join("postgres/data")), 1);
        node.stop().await;
    });
}

#[test]
fn a_killed_server_is_started_again() {
    probe::run(async {
        let home = Home::new();
        let mut node = home.start(Backend::Postgres).await;
        for round in 0..3 {
            node.guardian.create_topic(&op(), new_topic(&format!("t{round}"))).await.unwrap();
            let pid = postmaster_pid(node.data_dir()).unwrap();
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            // the guardian notices and fails; its supervisor starts it again
            let report = node.guard.exited().await;
            assert!(matches!(&report.exit, Exit::Failed(text) if text.contains("is gone")), "{report:?}");
            node.guard.start().await.unwrap();
            assert_ne!(postmaster_pid(node.data_dir()), Some(pid));
            assert_eq!(topic_count(&node).await, round + 1, "nothing that was acknowledged is lost");
            assert_eq!(postmasters(&node.data_dir().join("postgres/data")), 1);
        }
        node.stop().await;
    });
}

#[test]
fn a_killed_backend_is_survived() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Postgres);
        // the server's own recovery is what is tried here
        options.ping_failures = 1000;
        let node = Node::start(&home, options).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        let data = node.data_dir().join("postgres/data");
        let backend = processes(&data).into_iter().find(|pid| {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.contains("bibd_node_a bib")
        });
        kill(Pid::from_raw(backend.expect("a connection of the pool")), Signal::SIGKILL).unwrap();
        // the server ends all sessions and recovers by itself
        until("the pools work again", async || node.guardian.counts().await.is_ok()).await;
        let made = async || node.guardian.create_topic(&op(), new_topic("u")).await;
        until("changes work again", async || made().await.is_ok() || topic_count(&node).await == 2).await;
        node.stop().await;
    });
}

#[test]
fn a_server_with_another_configuration_is_started_anew() {
    probe::run(async {
        let home = Home::new();
        let node = home.start(Backend::Postgres).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        let pid = postmaster_pid(node.data_dir());
        node.crash().await;
        let mut options = home.options(Backend::Postgres);
        options.pools.query += 3;
        let node = Node::start(&home, options).await;
        assert_ne!(postmaster_pid(node.data_dir()), pid, "it takes more connections now");
        assert_eq!(topic_count(&node).await, 1);

        // what the superuser wrote inside does not open the door
        let password = passwords(node.data_dir())["bibd_admin_a"].clone();
        let admin = connect(node.data_dir(), "bibd_admin_a", &password, "bib").await.unwrap();
        query(&admin, "alter system set listen_addresses = '*'").await.unwrap();
        query(&admin, "alter system set log_statement = 'all'").await.unwrap();
        let options = node.options.clone();
        node.stop().await;
        let node = Node::start(&home, options).await;
        let admin = connect(node.data_dir(), "bibd_admin_a", &password, "bib").await.unwrap();
        assert_eq!(query(&admin, "show listen_addresses").await.unwrap(), "");
        assert_eq!(query(&admin, "show log_statement").await.unwrap(), "none");
        node.stop().await;
    });
}

#[test]
fn a_busy_database_says_so() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Postgres);
        (options.pools.query, options.pool_wait) = (2, Duration::from_millis(200));
        options.statement_timeout = Duration::from_secs(2);
        let node = Node::start(&home, options).await;
        let password = passwords(node.data_dir())["bibd_admin_a"].clone();
        let admin = connect(node.data_dir(), "bibd_admin_a", &password, "bib").await.unwrap();
        query(&admin, "begin; lock table bib.topics in access exclusive mode").await.unwrap();
        let reads = futures::future::join_all((0..6).map(|_| node.guardian.list_topics(None, 0))).await;
        let overloaded = |said: &str| {
            let says = |error: &GuardianError| {
                matches!(error, GuardianError::Overloaded { reason } if reason.contains(said)) && !error.is_refusal()
            };
            reads.iter().filter(|result| result.as_ref().is_err_and(says)).count()
        };
        assert_eq!(overloaded("no connection of role bibd_query became free within 200 ms"), 4);
        assert_eq!(overloaded("57014"), 2, "those that had a connection were ended by the statement's time limit");
        query(&admin, "rollback").await.unwrap();
        assert!(node.guardian.list_topics(None, 0).await.is_ok());
        node.stop().await;
    });
}

/// An answer that says no is an answer: the connection that it came from goes on.
#[test]
fn a_refusal_costs_no_connection() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Postgres);
        (options.pools.query, options.pools.node) = (1, 1);
        let node = Node::start(&home, options).await;
        let password = passwords(node.data_dir())["bibd_admin_a"].clone();
        let admin = connect(node.data_dir(), "bibd_admin_a", &password, "bib").await.unwrap();
        let sql = "select string_agg(pid::text, ' ' order by usename) from pg_stat_activity \
                   where usename in ('bibd_query_a', 'bibd_node_a')";
        let mut backends = Vec::new();
        for _ in 0..3 {
            let refused = node.guardian.find_version(&"t/d".parse().unwrap(), "").await.unwrap_err();
            assert!(matches!(refused, GuardianError::DatasetNotFound { .. }), "{refused}");
            let refused = node.guardian.set_subscribed(&op(), &topic("t"), true).await.unwrap_err();
            assert!(matches!(refused, GuardianError::TopicNotFound { .. }), "{refused}");
            backends.push(query(&admin, sql).await.unwrap());
        }
        assert_eq!(backends[0].split(' ').count(), 2, "{backends:?}");
        assert!(backends.iter().all(|seen| *seen == backends[0]), "{backends:?}");
        node.stop().await;
    });
}

#[test]
fn lost_credentials_are_made_anew() {
    probe::run(async {
        let home = Home::new();
        let node = home.start(Backend::Postgres).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        let before = passwords(node.data_dir());
        let sealed = node.data_dir().join("secrets/postgres.sealed");
        assert_eq!(std::fs::metadata(&sealed).unwrap().permissions().mode() & 0o777, 0o600);
        node.crash().await;

        // another identity does not open them
        let mut options = home.options(Backend::Postgres);
        options.seal_key = SealKey::new([6; 32]);
        let refused = Node::refusal(&home, options).await;
        assert!(refused.contains("does not open with this node's identity"), "{refused}");

        // moved away, as the message says: the server is up, has the old ones, and gets the new ones
        std::fs::remove_file(&sealed).unwrap();
        let node = home.start(Backend::Postgres).await;
        assert_eq!(topic_count(&node).await, 1);
        let after = passwords(node.data_dir());
        assert!(before.iter().all(|(login, password)| after[login] != *password));
        node.stop().await;
    });
}

#[test]
fn an_interrupted_initdb_is_done_again() {
    probe::run(async {
        let home = Home::new();
        let unfinished = home.path().join("postgres/data.new/base");
        std::fs::create_dir_all(&unfinished).unwrap();
        std::fs::write(unfinished.join("half"), "of it").unwrap();
        let node = home.start(Backend::Postgres).await;
        assert!(!home.path().join("postgres/data.new").exists());
        node.stop().await;
    });
}

#[test]
fn a_long_path_works() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Postgres);
        options.data_dir = home.path().join("x".repeat(100));
        let deep = options.data_dir.clone();
        let node = Node::start(&home, options).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        assert!(!deep.join("postgres/run").exists(), "its socket is elsewhere");
        let pid_file = std::fs::read_to_string(deep.join("postgres/data/postmaster.pid")).unwrap();
        let socket_dir = std::path::PathBuf::from(pid_file.lines().nth(4).unwrap());
        assert_eq!(std::fs::metadata(&socket_dir).unwrap().mode() & 0o777, 0o700);
        node.stop().await;
        std::fs::remove_dir_all(socket_dir).unwrap();
    });
}

#[test]
fn a_directory_that_the_server_cannot_reach_is_named() {
    if !nix::unistd::geteuid().is_root() {
        // an ordinary user runs the server as itself: what it can reach, the server can
        return;
    }
    probe::run(async {
        let home = Home::new();
        let closed = home.path().join("closed");
        std::fs::create_dir_all(closed.join("node")).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o750)).unwrap();
        let mut options = home.options(Backend::Postgres);
        options.data_dir = closed.join("node");
        let refused = Node::refusal(&home, options).await;
        assert!(refused.contains("cannot pass through") && refused.contains("/closed: allow it"), "{refused}");
    });
}

#[test]
fn only_the_node_sees_the_files() {
    probe::run(async {
        let home = Home::new();
        std::fs::create_dir_all(home.path()).unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let node = home.start(Backend::Postgres).await;
        let root = node.data_dir().join("postgres");
        for dir in ["data", "run", "log"] {
            assert_eq!(std::fs::metadata(root.join(dir)).unwrap().mode() & 0o777, 0o700, "{dir}");
        }
        for path in [node.data_dir().to_owned(), root.clone(), root.join("conf"), root.join("conf/pg_hba.conf")] {
            let meta = std::fs::metadata(&path).unwrap();
            assert_eq!(meta.mode() & 0o007, 0, "others may not pass {}", path.display());
            assert_eq!(meta.uid(), nix::unistd::geteuid().as_raw(), "{} is bibd's", path.display());
            assert_eq!(meta.mode() & 0o020, 0, "the server may not write {}", path.display());
        }
        node.stop().await;
    });
}
