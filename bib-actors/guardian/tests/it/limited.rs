//! The limited mode: when it is chosen, what it says, and what it refuses.

use crate::support::{Backend, Home, Node, manifest, new_topic, op, other_key, topic, until};
use bib_audit::{ListFilter, Outcome};
use bib_domain::{DatasetRef, NodeMode, StorageKind, VersionId};
use bib_guardian::{DatabaseRuntime, GuardianOptions, VersionState};
use bib_kit::probe;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// A machine without PostgreSQL.
fn without_postgres(home: &Home, mode: NodeMode) -> GuardianOptions {
    let mut options = home.options(Backend::Sqlite);
    options.runtime = DatabaseRuntime::Auto;
    options.mode = mode;
    options.postgres_bin = Some(home.path().join("no-programs-here"));
    options
}

#[test]
fn without_postgresql_a_selective_node_runs_and_says_what_it_cannot_do() {
    probe::run(async {
        let home = Home::new();
        let node = Node::start(&home, without_postgres(&home, NodeMode::Selective)).await;
        let info = node.guardian.storage().await.unwrap();
        assert_eq!((info.kind, info.runtime), (StorageKind::Sqlite, "sqlite"));
        for word in [
            "untrusted-storage",
            "has no initdb and postgres",
            "serves no data to other nodes",
            "apt-get install postgresql",
        ] {
            assert!(info.notice.contains(word), "{word} is missing: {}", info.notice);
        }
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        let mode = std::fs::metadata(node.data_dir().join("bib.sqlite")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        node.stop().await;

        // the catalogue is where it was, also when PostgreSQL has come
        let mut options = without_postgres(&home, NodeMode::Selective);
        options.postgres_bin = None;
        let node = Node::start(&home, options).await;
        let info = node.guardian.storage().await.unwrap();
        assert_eq!(info.kind, StorageKind::Sqlite);
        assert!(info.notice.contains("since it was set up"), "{}", info.notice);
        assert_eq!(node.guardian.counts().await.unwrap().topics, 1);
        node.stop().await;
    });
}

#[test]
fn a_full_node_refuses_sqlite_with_the_reason_and_the_way_out() {
    probe::run(async {
        let home = Home::new();
        let refused = Node::refusal(&home, without_postgres(&home, NodeMode::Full)).await;
        for word in ["mode \"full\" needs the managed PostgreSQL", "untrusted-storage", "node.mode = \"selective\""] {
            assert!(refused.contains(word), "{word} is missing: {refused}");
        }
        let mut options = without_postgres(&home, NodeMode::Selective);
        options.runtime = DatabaseRuntime::Process;
        let refused = Node::refusal(&home, options).await;
        assert!(refused.contains("has no initdb and postgres that run"), "{refused}");
    });
}

#[test]
fn a_database_that_was_migrated_otherwise_is_refused() {
    probe::run(async {
        let home = Home::new();
        home.start(Backend::Sqlite).await.stop().await;
        let edit = |sql: &str| {
            rusqlite::Connection::open(home.path().join("bib.sqlite")).unwrap().execute_batch(sql).unwrap();
        };
        edit("insert into schema_migrations values (99, '0099_later', hex(zeroblob(32)), hex(zeroblob(32)), 0)");
        let refused = Node::refusal(&home, home.options(Backend::Sqlite)).await;
        assert!(refused.contains("0099_later") && refused.contains("newer bibd"), "{refused}");
        edit(
            "delete from schema_migrations where version = 99; update schema_migrations set up_sha256 = hex(zeroblob(32)) where version = 1",
        );
        let refused = Node::refusal(&home, home.options(Backend::Sqlite)).await;
        assert!(refused.contains("migration 1 (0001_core) is not the one that ran"), "{refused}");
    });
}

#[test]
fn copies_go_when_their_topic_was_left_and_their_time_is_over() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Sqlite);
        options.sweep_interval = Duration::from_millis(20);
        options.cache_ttl = Some(Duration::from_millis(1));
        let node = Node::start(&home, options).await;
        let g = &node.guardian;
        let mut ids = Vec::new();
        for (name, number) in [("left/a", 1), ("left/a", 2), ("kept/b", 1)] {
            let dataset: DatasetRef = name.parse().unwrap();
            if g.get_topic(&dataset.topic).await.unwrap().is_none() {
                g.create_topic(&op(), new_topic(dataset.topic.as_str())).await.unwrap();
                g.set_subscribed(&op(), &dataset.topic, true).await.unwrap();
            }
            let signed = manifest(name, number, &[], &other_key());
            ids.push(g.publish(&op(), signed, VersionState { complete: true }).await.unwrap().version.id);
        }
        let place = |id: &VersionId| home.path().join("manifests").join(&id.to_hex()[..2]).join(id.to_hex());
        assert!(ids.iter().all(|id| place(id).exists()));
        for id in &ids {
            g.agreed().note(*id).unwrap();
        }
        assert!(ids.iter().all(|id| g.agreed().knows(*id)));
        assert_eq!(g.counts().await.unwrap().versions, 3, "subscribed topics keep what they have");

        g.set_subscribed(&op(), &topic("left"), false).await.unwrap();
        until("the copies are gone", async || !ids[..2].iter().any(|id| place(id).exists())).await;
        let counts = g.counts().await.unwrap();
        assert_eq!((counts.versions, counts.datasets, counts.topics), (1, 1, 2), "the topic stays known");
        assert!(place(&ids[2]).exists(), "a subscribed topic lost a copy");
        let noted = async || ids.iter().map(|id| g.agreed().knows(*id)).collect::<Vec<_>>();
        until("what was noted of them is gone", async || noted().await == [false, false, true]).await;
        assert!(g.manifest(ids[0]).await.unwrap().is_none());
        node.stop().await;
    });
}

#[test]
fn copies_stay_until_their_time_is_over() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Sqlite);
        options.sweep_interval = Duration::from_millis(20);
        options.cache_ttl = Some(Duration::from_secs(3600));
        let node = Node::start(&home, options).await;
        let g = &node.guardian;
        g.create_topic(&op(), new_topic("t")).await.unwrap();
        let signed = manifest("t/a", 1, &[], &other_key());
        g.publish(&op(), signed, VersionState { complete: true }).await.unwrap();
        let sweeps = async || {
            let swept = ListFilter { action_prefix: Some("cache.expire".to_owned()), ..ListFilter::default() };
            let mut log = node.audit.list(swept).await.unwrap();
            log.retain(|record| record.outcome == Outcome::Ok);
            log.len()
        };
        until("it was swept twice", async || sweeps().await >= 2).await;
        assert_eq!(g.counts().await.unwrap().versions, 1);
        node.stop().await;
    });
}

#[test]
fn auto_takes_postgresql_where_it_is() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Postgres);
        (options.runtime, options.mode) = (DatabaseRuntime::Auto, NodeMode::Full);
        let node = Node::start(&home, options).await;
        assert_eq!(node.guardian.storage().await.unwrap().kind, StorageKind::Postgres);
        node.stop().await;

        // and does not leave it for SQLite when its programs are gone
        let refused = Node::refusal(&home, without_postgres(&home, NodeMode::Selective)).await;
        assert!(refused.contains("was made by PostgreSQL"), "{refused}");
    });
}
