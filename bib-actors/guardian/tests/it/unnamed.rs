//! What the catalogue does not name is removed, but not by a catalogue that was lost or is an older one.

use crate::support::{Backend, Home, Node, manifest, new_topic, op, own_key, until};
use bib_domain::VersionId;
use bib_guardian::{GuardianError, VersionState};
use bib_kit::probe;
use std::path::PathBuf;
use std::time::Duration;

fn place(home: &Home, id: VersionId) -> PathBuf {
    home.path().join("manifests").join(&id.to_hex()[..2]).join(id.to_hex())
}

async fn node(home: &Home, backend: Backend) -> Node {
    let mut options = home.options(backend);
    (options.orphans.period, options.orphans.grace) = (Duration::from_millis(20), Duration::ZERO);
    Node::start(home, options).await
}

/// One that sweeps at its start alone.
async fn calm(home: &Home, backend: Backend, note_delay: Duration) -> Node {
    let mut options = home.options(backend);
    (options.orphans.grace, options.orphans.note_delay) = (Duration::ZERO, note_delay);
    Node::start(home, options).await
}

fn note(home: &Home) -> String {
    std::fs::read_to_string(home.path().join("manifests/catalog")).unwrap_or_default()
}

fn believe(home: &Home) {
    std::fs::write(home.path().join("manifests/catalog"), "believe\n").unwrap();
}

/// A publication that is refused, as often as asked for, leaves its manifest to the next sweep.
async fn refused(node: &Node) -> VersionId {
    let signed = manifest("nowhere/d", 1, &[], &own_key());
    let id = signed.id();
    let said = node.guardian.publish(&op(), signed, VersionState { complete: true }).await.unwrap_err();
    assert!(matches!(said, GuardianError::TopicNotFound { .. }), "{said}");
    assert_eq!(node.guardian.manifest(id).await.unwrap(), None, "a version that nobody published was given");
    id
}

fn older_is_doubted(backend: Backend) {
    probe::run(async move {
        let home = Home::new();
        let long = Duration::from_secs(3600);
        let running = calm(&home, backend, long).await;
        running.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        running.stop().await;
        let here = home.path().join(catalog_of(backend));
        let copy = home.path().join("copy");
        let copied = std::process::Command::new("cp").arg("-a").args([&here, &copy]).status().unwrap();
        assert!(copied.success());

        let running = calm(&home, backend, long).await;
        until("the start has noted", async || !note(&home).is_empty()).await;
        let before = note(&home);
        let later = manifest("t/d", 1, &[], &own_key());
        running.guardian.publish(&op(), later.clone(), VersionState { complete: true }).await.unwrap();
        running.stop().await;
        assert_ne!(note(&home), before, "a stop notes how far the catalogue is");
        let lost = home.path().join("lost");
        std::fs::rename(&here, &lost).unwrap();
        std::fs::rename(&copy, &here).unwrap();
        let older = node(&home, backend).await;
        until("the catalogue is doubted", async || older.guardian.space().withheld().contains("is older than")).await;
        assert!(place(&home, later.id()).exists(), "what was published since the copy was removed");
        older.stop().await;

        // the right one is there again, and somebody says so
        std::fs::rename(&here, home.path().join("wrong")).unwrap();
        std::fs::rename(&lost, &here).unwrap();
        believe(&home);
        let right = node(&home, backend).await;
        until("it is believed", async || !note(&home).contains("believe")).await;
        assert!(right.guardian.space().withheld().is_empty() && !note(&home).contains("doubted"));
        right.stop().await;
    });
}

#[test]
fn a_publication_is_noted_while_the_node_runs() {
    probe::run(async {
        let home = Home::new();
        let running = calm(&home, Backend::Sqlite, Duration::from_millis(1)).await;
        running.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        until("the start has noted", async || !note(&home).is_empty()).await;
        for number in 1..4 {
            let before = note(&home);
            let version = manifest("t/d", number, &[], &own_key());
            running.guardian.publish(&op(), version, VersionState { complete: true }).await.unwrap();
            until("the publication is noted", async || note(&home) != before).await;
        }
        running.stop().await;
    });
}

#[test]
fn an_empty_catalogue_is_doubted_until_somebody_believes_it() {
    probe::run(async {
        let home = Home::new();
        let folder = home.path().join("manifests/ab");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("ab{}", "0".repeat(62))), "of another catalogue").unwrap();
        for _ in 0..2 {
            let empty = node(&home, Backend::Sqlite).await;
            until("it is doubted", async || !empty.guardian.space().withheld().is_empty()).await;
            empty.guardian.create_topic(&op(), new_topic("t")).await.ok();
            empty.stop().await;
            assert!(note(&home).contains("doubted") && folder.read_dir().unwrap().count() == 1);
        }
        believe(&home);
        let believed = node(&home, Backend::Sqlite).await;
        until("what it does not name is gone", async || folder.read_dir().unwrap().count() == 0).await;
        believed.stop().await;
    });
}

#[test]
fn an_older_catalogue_is_doubted_in_postgres() {
    older_is_doubted(Backend::Postgres);
}

#[test]
fn an_older_catalogue_is_doubted_in_sqlite() {
    older_is_doubted(Backend::Sqlite);
}

/// Where the catalogue is.
fn catalog_of(backend: Backend) -> &'static str {
    match backend {
        Backend::Postgres => "postgres",
        Backend::Sqlite => "bib.sqlite",
    }
}

fn manifests_go_and_stay(backend: Backend) {
    probe::run(async move {
        let home = Home::new();
        let running = node(&home, backend).await;
        let g = &running.guardian;
        g.create_topic(&op(), new_topic("t")).await.unwrap();
        let kept = manifest("t/d", 1, &[], &own_key());
        g.publish(&op(), kept.clone(), VersionState { complete: true }).await.unwrap();
        let gone = refused(&running).await;
        until("what nobody names is gone", async || !place(&home, gone).exists()).await;
        assert!(place(&home, kept.id()).exists() && g.space().withheld().is_empty());
        running.stop().await;

        // somebody restores the files, and not the catalogue
        let (here, aside) = (home.path().join(catalog_of(backend)), home.path().join("aside"));
        assert!(here.exists(), "{} is not where the catalogue is", here.display());
        std::fs::rename(&here, &aside).unwrap();
        let empty = node(&home, backend).await;
        until("the catalogue is doubted", async || empty.guardian.space().withheld().contains("is another one")).await;
        // and the new one grows beyond the place where the other was
        for n in 0..9 {
            empty.guardian.create_topic(&op(), new_topic(&format!("more-{n}"))).await.unwrap();
        }
        empty.stop().await;
        let empty = node(&home, backend).await;
        until("it is still doubted", async || !empty.guardian.space().withheld().is_empty()).await;
        assert!(place(&home, kept.id()).exists(), "a manifest was removed by another catalogue");
        empty.stop().await;

        // the right one is put back, and whoever did it says so
        std::fs::rename(&here, home.path().join("wrong")).unwrap();
        std::fs::rename(&aside, &here).unwrap();
        believe(&home);
        let back = node(&home, backend).await;
        let gone = refused(&back).await;
        until("what nobody names goes again", async || !place(&home, gone).exists()).await;
        assert_eq!(back.guardian.manifest(kept.id()).await.unwrap().unwrap(), kept);
        back.stop().await;
    });
}

#[test]
fn manifests_go_and_stay_in_postgres() {
    manifests_go_and_stay(Backend::Postgres);
}

#[test]
fn manifests_go_and_stay_in_sqlite() {
    manifests_go_and_stay(Backend::Sqlite);
}
