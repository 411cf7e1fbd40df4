//! Who may enter the managed PostgreSQL, and what each role may do there.

use crate::support::{Backend, Home, Node, connect, new_topic, op, passwords, query, until};
use bib_kit::probe;

const DENIED: &str = "42501";
const READ_ONLY: &str = "25006";

fn on_postgres(test: impl AsyncFnOnce(&Node)) {
    probe::run(async {
        let home = Home::new();
        let node = home.start(Backend::Postgres).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        test(&node).await;
        node.stop().await;
    });
}

async fn as_role(node: &Node, login: &str) -> tokio_postgres::Client {
    connect(node.data_dir(), login, &passwords(node.data_dir())[login], "bib").await.unwrap()
}

#[test]
fn the_audit_role_adds_and_reads_and_nothing_else() {
    on_postgres(async |node| {
        until("the table has records", async || node.guardian.audit_index_status().await.unwrap().records > 0).await;
        let audit = as_role(node, "bibd_audit_a").await;
        let insert = "insert into audit_log (id, epoch, time_ns, node_id, actor, operation_id, role_used, action, table_name, \
            duration_us, source_component, outcome, break_glass, metadata, prev_hash, entry_hash) \
            select 1000000, 1, 1790000000123456789, 'n', 'a', decode(repeat('00', 16), 'hex'), 'r', 'x', 't', 1, 'c', 'ok', false, '{}', \
            decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex')";
        query(&audit, insert).await.unwrap();
        let time = query(&audit, "select \"timestamp\" from audit_log where id = 1000000").await.unwrap();
        assert!(time.starts_with("2026-09-21 14:13:20.12345"), "{time}");
        for statement in [
            "update audit_log set actor = 'nobody'",
            "delete from audit_log",
            "truncate audit_log",
            "alter table audit_log disable trigger all",
            "set session_replication_role = replica",
            "drop table audit_log",
            "select 1 from topics",
            "select 1 from users",
        ] {
            assert_eq!(query(&audit, statement).await.unwrap_err(), DENIED, "{statement}");
        }
    });
}

#[test]
fn not_even_the_superuser_changes_the_audit_table_by_mistake() {
    on_postgres(async |node| {
        let admin = as_role(node, "bibd_admin_a").await;
        until("the table has records", async || {
            query(&admin, "select count(*) from bib.audit_log").await.unwrap() != "0"
        })
        .await;
        for statement in [
            "update bib.audit_log set actor = 'nobody'",
            "delete from bib.audit_log",
            "truncate bib.audit_log",
            "set session_replication_role = replica; update bib.audit_log set actor = 'nobody'",
        ] {
            assert_eq!(query(&admin, statement).await.unwrap_err(), DENIED, "{statement}");
        }
    });
}

#[test]
fn each_role_does_its_work_only() {
    on_postgres(async |node| {
        let read = as_role(node, "bibd_query_a").await;
        assert_eq!(query(&read, "select name from topics").await.unwrap(), "t");
        assert_eq!(query(&read, "update topics set description = ''").await.unwrap_err(), READ_ONLY);
        query(&read, "set default_transaction_read_only = off").await.unwrap();
        for statement in [
            "update topics set description = ''",
            "insert into subscriptions values ('t', 'me', 0)",
            "delete from datasets",
            "truncate topics",
            "select 1 from sessions",
            "select 1 from users",
            "select 1 from invites",
            "select 1 from audit_log",
            "select 1 from schema_migrations",
            "create table bib.mine (x int)",
            "create table public.mine (x int)",
            "create temp table mine (x int)",
            "copy topics to program 'cat'",
            "select pg_read_file('/etc/passwd')",
            "set role bibd_admin_a",
            "create role another",
        ] {
            assert_eq!(query(&read, statement).await.unwrap_err(), DENIED, "{statement}");
        }
        let transform = as_role(node, "bibd_transform_a").await;
        for statement in ["delete from dataset_versions", "update topics set owner = ''", "select 1 from sessions"] {
            assert_eq!(query(&transform, statement).await.unwrap_err(), DENIED, "{statement}");
        }
        let scrape = as_role(node, "bibd_scrape_a").await;
        assert_eq!(query(&scrape, "select name from topics").await.unwrap(), "t");
        for statement in ["update datasets set versions = 0", "delete from datasets", "select 1 from nodes"] {
            assert_eq!(query(&scrape, statement).await.unwrap_err(), DENIED, "{statement}");
        }
        let jobs = as_role(node, "bibd_admin_jobs_a").await;
        query(&jobs, "delete from requests").await.unwrap();
        query(&jobs, "select count(*) from audit_log").await.unwrap();
        for statement in ["truncate audit_log", "delete from audit_log", "drop table topics", "truncate topics"] {
            assert_eq!(query(&jobs, statement).await.unwrap_err(), DENIED, "{statement}");
        }
        let people = as_role(node, "bibd_node_a").await;
        for statement in ["delete from topics", "select 1 from audit_log", "insert into manifests values ('', '', 1)"] {
            assert_eq!(query(&people, statement).await.unwrap_err(), DENIED, "{statement}");
        }
    });
}

#[test]
fn nobody_else_gets_in() {
    on_postgres(async |node| {
        let dir = node.data_dir();
        let passwords = passwords(dir);
        let refused = async |login: &str, password: &str, database: &str| {
            let error = connect(dir, login, password, database).await.err();
            error.unwrap_or_else(|| panic!("{login} came into {database}")).code().unwrap().code().to_owned()
        };
        assert_eq!(refused("bibd_query_a", "wrong", "bib").await, "28P01");
        assert_eq!(refused("bibd_admin_a", "wrong", "bib").await, "28P01");
        assert_eq!(
            refused("bibd_query_b", &passwords["bibd_query_a"], "bib").await,
            "28P01",
            "there is no such generation yet"
        );
        for user in ["postgres", "root", "bibd_owner", "bibd_query", "somebody"] {
            assert_eq!(refused(user, "", "bib").await, "28000", "{user}");
        }
        for database in ["postgres", "template1"] {
            assert_eq!(refused("bibd_query_a", &passwords["bibd_query_a"], database).await, "28000", "{database}");
        }
        let tcp =
            tokio_postgres::connect("host=127.0.0.1 port=5432 user=bibd_query_a dbname=bib", tokio_postgres::NoTls)
                .await;
        let to_our_server = tcp.err().is_some();
        assert!(to_our_server, "there is no listener");
        let admin = as_role(node, "bibd_admin_a").await;
        assert_eq!(query(&admin, "show listen_addresses").await.unwrap(), "");
        assert_eq!(
            query(
                &admin,
                "select count(*) from pg_hba_file_rules where auth_method not in ('reject', 'scram-sha-256')"
            )
            .await
            .unwrap(),
            "0"
        );
        assert_eq!(query(&admin, "show data_checksums").await.unwrap(), "on");
        assert_eq!(
            query(&admin, "select count(*) from pg_authid where rolpassword not like 'SCRAM-SHA-256$%'").await.unwrap(),
            "0"
        );
        let owned = "select count(*) from pg_class c join pg_roles r on r.oid = c.relowner where r.rolcanlogin and c.relnamespace = 'bib'::regnamespace and c.relname not like 'schema_migrations%'";
        assert_eq!(query(&admin, owned).await.unwrap(), "0", "logins own nothing");
    });
}

#[test]
fn no_secret_is_in_any_log_or_file_of_the_database() {
    on_postgres(async |node| {
        let audit = as_role(node, "bibd_audit_a").await;
        query(&audit, "select 'canary-statement' from no_such_table").await.unwrap_err();
        let mut secrets: Vec<String> = passwords(node.data_dir()).into_values().collect();
        assert_eq!(secrets.len(), 7);
        secrets.push("SCRAM-SHA-256$".to_owned());
        secrets.push("canary-statement".to_owned());
        let mut logs = vec![node.data_dir().join("postgres/start.log")];
        logs.extend(std::fs::read_dir(node.log_dir()).unwrap().flatten().map(|entry| entry.path()));
        assert!(logs.len() > 1);
        for log in logs {
            let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
            for secret in &secrets {
                assert!(!text.contains(secret.as_str()), "{} holds {secret}", log.display());
            }
        }
        // the passwords themselves are nowhere under the database's directory, only verifiers in its catalog
        let grep = std::process::Command::new("grep")
            .args(["-rlF", "-e", secrets[0].as_str(), "-e", secrets[1].as_str()])
            .arg(node.data_dir().join("postgres"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&grep.stdout), "");
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).into_owned();
            assert!(!command.contains(secrets[0].as_str()) || command.starts_with("grep"), "{command}");
        }
    });
}

#[test]
fn a_start_leaves_logins_that_are_right_and_mends_the_others() {
    const VERSIONS: &str = "select string_agg(rolname || ' ' || xmin::text, ',' order by rolname) from pg_authid where rolname like 'bibd\\_%\\_a'";
    probe::run(async {
        let home = Home::new();
        let node = home.start(Backend::Postgres).await;
        let admin = as_role(&node, "bibd_admin_a").await;
        let made = query(&admin, VERSIONS).await.unwrap();
        node.crash().await;
        let node = home.start(Backend::Postgres).await;
        let admin = as_role(&node, "bibd_admin_a").await;
        assert_eq!(query(&admin, VERSIONS).await.unwrap(), made, "nothing was to be changed");

        for meddling in [
            "alter role bibd_query_a superuser bypassrls connection limit 1",
            "alter role bibd_query_a set default_transaction_read_only = off",
            "alter role bibd_node_a set log_statement = 'all'",
            "alter role bibd_scrape_a password 'swordfish' valid until '2001-01-01'",
        ] {
            query(&admin, meddling).await.unwrap();
        }
        node.crash().await;
        let node = home.start(Backend::Postgres).await;
        let admin = as_role(&node, "bibd_admin_a").await;
        let is = async |what: &str| query(&admin, what).await.unwrap();
        assert_eq!(
            is("select rolsuper or rolbypassrls or rolconnlimit < 2 from pg_authid where rolname = 'bibd_query_a'")
                .await,
            "f"
        );
        assert_eq!(
            is("select count(*) from pg_db_role_setting, unnest(setconfig) c where c like 'log_statement=%'").await,
            "0"
        );
        let reader = as_role(&node, "bibd_query_a").await;
        assert_eq!(query(&reader, "show default_transaction_read_only").await.unwrap(), "on");
        // with the node's own password, which is good for ever
        as_role(&node, "bibd_scrape_a").await;
        node.stop().await;
    });
}
