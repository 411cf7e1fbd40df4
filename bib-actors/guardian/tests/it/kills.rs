//! The managed PostgreSQL, killed with all its processes.

use crate::lifecycle::{processes, topic_count};
use crate::support::{Backend, Home, Node, new_topic, op, until};
use bib_audit::Outcome;
use bib_guardian::{GuardianError, GuardianHandle};
use bib_kit::probe;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// The number in the lock file that a killed server left is another process's by now, as in a container that began again.
#[test]
fn a_lock_file_with_the_number_of_another_process_keeps_nobody_out() {
    probe::run(async {
        let home = Home::new();
        let mut node = home.start(Backend::Postgres).await;
        node.guardian.create_topic(&op(), new_topic("t")).await.unwrap();
        let data = node.data_dir().join("postgres/data");
        for pid in processes(&data) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        node.guard.exited().await;
        // of the same user: the server may not signal others, and passes them over
        let owner = std::fs::metadata(&data).unwrap().uid();
        let mut other = std::process::Command::new("sleep").arg("1000").uid(owner).spawn().unwrap();
        let name = |path: &Path, pid: u32| {
            let lock = std::fs::read_to_string(path).unwrap();
            let (_, rest) = lock.split_once('\n').unwrap();
            std::fs::write(path, format!("{pid}\n{rest}")).unwrap();
        };
        let lock = data.join("postmaster.pid");
        let socket_dir = std::fs::read_to_string(&lock).unwrap().lines().nth(4).unwrap().to_owned();
        name(&lock, other.id());
        // and that at the socket is of one that has ended, and that nobody took away yet
        let mut gone = std::process::Command::new("true").uid(owner).spawn().unwrap();
        let stat = format!("/proc/{}/stat", gone.id());
        until("it has ended", async || std::fs::read_to_string(&stat).unwrap().contains(") Z ")).await;
        name(&Path::new(&socket_dir).join(".s.PGSQL.5432.lock"), gone.id());
        let started = node.guard.start().await;
        let lives = other.try_wait().unwrap().is_none();
        let _ = gone.try_wait();
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(started.is_ok(), "{started:?}");
        assert!(lives, "it has nothing to do with the database");
        assert_eq!(topic_count(&node).await, 1);
        node.stop().await;
    });
}

/// Makes topics until the database is gone. Answers which were acknowledged.
async fn make_until_it_is_gone(guardian: GuardianHandle, writer: usize) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    loop {
        let name = format!("w{writer}-{}", made.len());
        if guardian.create_topic(&op(), new_topic(&name)).await.is_err() {
            return made;
        }
        made.insert(name);
    }
}

async fn all_topics(guardian: &GuardianHandle) -> Result<BTreeSet<String>, GuardianError> {
    let (mut all, mut after) = (BTreeSet::new(), None);
    loop {
        let page = guardian.list_topics(after, 1_000).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.name.clone());
        all.extend(page.into_iter().map(|topic| topic.name.to_string()));
    }
}

/// The log has an outcome for each try, and says of the topics that are there, and of no others, that they were made: also of
/// those whose commit was on the disk when the connection was lost.
async fn told(node: &Node, there: &BTreeSet<String>, round: usize) {
    until("each try has its outcome", async || {
        let open = node.audit.unsettled().await.unwrap();
        open.iter().all(|open| open.intent.action != "topic.create")
    })
    .await;
    let records = node.records().await;
    let made = records.iter().filter(|record| record.action == "topic.create" && record.outcome == Outcome::Ok);
    let made: BTreeSet<_> = made.map(|record| record.object.clone()).collect();
    let differ: Vec<_> = made.symmetric_difference(there).collect();
    assert!(differ.is_empty(), "round {round}: the log and the catalogue do not agree on {differ:?}");
}

/// Changes that come together let their locks go before they are on the disk. Neither who made one nor who only read it
/// hears of it before.
#[test]
fn what_anybody_heard_of_survives_a_kill_of_the_whole_server() {
    probe::run(async {
        let home = Home::new();
        let mut options = home.options(Backend::Postgres);
        // each read asks the database
        options.catalog_cache_bytes = 0;
        let mut node = Node::start(&home, options).await;
        for round in 0..3 {
            let data = node.data_dir().join("postgres/data");
            let before = all_topics(&node.guardian).await.unwrap();
            let writers: Vec<_> = (0..16)
                .map(|writer| tokio::spawn(make_until_it_is_gone(node.guardian.clone(), round * 16 + writer)))
                .collect();
            let reader = node.guardian.clone();
            let reader = tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while let Ok(topics) = all_topics(&reader).await {
                    seen = topics;
                }
                seen
            });
            let enough = before.len() + 200;
            until("topics are made", async || {
                node.guardian.counts().await.is_ok_and(|counts| counts.topics as usize > enough)
            })
            .await;
            // with all its processes goes what they had only in their memory
            for pid in processes(&data) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            node.guard.exited().await;
            let mut heard = reader.await.unwrap();
            for writer in writers {
                heard.extend(writer.await.unwrap());
            }
            node.guard.start().await.unwrap();
            let there = all_topics(&node.guardian).await.unwrap();
            let lost: Vec<_> = heard.difference(&there).collect();
            assert!(lost.is_empty(), "round {round}: of {} that somebody heard of, {lost:?} are gone", heard.len());
            assert!(heard.len() > before.len() + 100, "round {round}: nothing was made");
            told(&node, &there, round).await;
        }
        node.stop().await;
    });
}
