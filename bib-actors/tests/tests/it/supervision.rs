//! Every actor of a whole node is made to panic in every place, under load: only that incarnation dies, nothing
//! acknowledged is lost, the node goes on.

use bib_actors::Node;
use bib_actors::config::Config;
use bib_actors::root::{ExitReason, RootOptions};
use bib_kit::{NodeHealth, Where};
use bib_node_tests::{ACTORS, dependents};
use bib_proto::client::{Address, Client, ClientOptions, Trust, TrustStore};
use bib_proto::v1::{CreateTopicRequest, ListTopicsRequest, VerifyAuditRequest};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::time::timeout;

const PLACES: [Where; 5] = [Where::Handler, Where::Spawned, Where::Task, Where::Started, Where::Factory];
/// Clients that go on asking while an actor fails.
const CLIENTS: usize = 4;
const RECOVERY: Duration = Duration::from_secs(60);

fn provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
}

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.node.data_dir = folder.join("data");
    config.node.name = "under-test".to_owned();
    config.database.runtime = "process".to_owned();
    config.grpc.listen = vec!["127.0.0.1:0".parse().unwrap()];
    config.web.listen = "127.0.0.1:0".parse().unwrap();
    config.p2p.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config.p2p.mdns = false;
    config
}

/// What the clients were told is done.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<BTreeSet<String>>>);

impl Acknowledged {
    fn add(&self, name: String) {
        self.0.lock().unwrap().insert(name);
    }

    fn all(&self) -> BTreeSet<String> {
        self.0.lock().unwrap().clone()
    }
}

async fn connect(data: &Path) -> Option<Client> {
    let address = Address::Unix(data.join("run/bib.sock"));
    let store = TrustStore::at(data.join("unused"));
    Client::connect(&address, &store, Trust::KnownOnly, ClientOptions::default()).await.ok()
}

/// Makes topics one after the other, each until it is acknowledged, always with the same request id.
async fn load(data: std::path::PathBuf, run: usize, client_number: usize, done: Acknowledged) {
    let mut client = None;
    for number in 0_u32.. {
        let name = format!("r{run}-c{client_number}-{number}");
        let request_id = bib_domain::RequestId::from_bytes(
            ((run as u128) << 80 | (client_number as u128) << 64 | u128::from(number) | 1 << 100).to_be_bytes(),
        );
        loop {
            if client.is_none() {
                client = connect(&data).await;
            }
            let Some(connected) = &client else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let request =
                CreateTopicRequest { name: name.clone(), request_id: request_id.to_string(), ..Default::default() };
            match timeout(Duration::from_secs(20), connected.topics().create_topic(request)).await {
                Ok(Ok(_)) => break done.add(name),
                Ok(Err(status)) if status.code() == tonic::Code::AlreadyExists => {
                    panic!("{name} was made, and its own retry was told that it exists")
                }
                Ok(Err(_)) | Err(_) => client = None,
            }
        }
    }
}

async fn topics(data: &Path) -> BTreeSet<String> {
    let client = connect(data).await.expect("the node answers");
    let (mut found, mut page_token) = (BTreeSet::new(), String::new());
    loop {
        let request = ListTopicsRequest { page_size: 1000, page_token };
        let page = client.topics().list_topics(request).await.unwrap().into_inner();
        found.extend(page.topics.into_iter().map(|topic| topic.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

/// Breaks one actor in one place, and checks what came of it and of what was acknowledged before.
async fn break_one(runtime: Handle, config: &Config, actor: &'static str, run: usize, done: Acknowledged) {
    let (place, earlier) = (PLACES[run], done.all().len());
    let data = config.node.data_dir.clone();
    let options = RootOptions { faults: true, ..RootOptions::default() };
    let node = start(config, options, &runtime).await;
    let root = node.root().clone();
    assert!(root.ready(RECOVERY).await, "the node did not start");
    let before = root.health().snapshot();
    assert_eq!(before.iter().map(|health| health.name).collect::<Vec<_>>(), ACTORS, "all of them are made to fail");

    let clients: Vec<_> =
        (0..CLIENTS).map(|number| runtime.spawn(load(data.clone(), run, number, done.clone()))).collect();
    let what = format!("{actor} in {place:?}");
    wait(&what, || done.all().len() >= earlier + 2 * CLIENTS).await;

    root.inject(actor, place).await.unwrap();
    // what is planned for the next start needs one
    let mut failures = 1;
    if matches!(place, Where::Started | Where::Factory) {
        root.inject(actor, Where::Handler).await.unwrap();
        failures = 2;
    }
    if actor == "audit" && failures > 1 {
        // its second failure stops the node
        let reason = timeout(RECOVERY, root.wait()).await.expect("the node ends");
        assert!(matches!(reason, ExitReason::BeyondWindow { child: "audit", .. }), "{what}: {reason}");
        assert_eq!(reason.exit_code(), 70);
        for client in clients {
            client.abort();
            // an aborted task ends with an error, which is its way to say so
            let _ = client.await;
        }
        drop((node, root));
        return after_the_end(runtime, config, done.all(), &what).await;
    }
    let incarnation = |name: &str| root.health().get(name).map_or(0, |health| health.incarnation);
    let old = before.iter().find(|health| health.name == actor).unwrap().incarnation;
    wait(&what, || incarnation(actor) >= old + failures && root.health().node() == NodeHealth::Ready).await;
    let failed = root.health().get(actor).unwrap();
    assert!(failed.last_failure.is_some_and(|text| !text.is_empty()), "{what}: its panic's text is not seen");
    for health in &before {
        // dependents of what failed start again with it, the others go on
        let now = incarnation(health.name);
        if dependents(actor).contains(&health.name) {
            assert!(now > health.incarnation, "{what}: {} went on with what is gone", health.name);
        } else if health.name != actor {
            assert_eq!(now, health.incarnation, "{what}: {} died too", health.name);
        }
    }
    let so_far = done.all().len();
    wait(&what, || done.all().len() >= so_far + CLIENTS).await;
    for client in clients {
        assert!(!client.is_finished(), "{what}: a client gave up");
        client.abort();
    }
    check(&data, &done.all(), &what).await;
    root.shutdown();
    let reason = timeout(RECOVERY, root.wait()).await.expect("the node stops");
    assert_eq!(reason, ExitReason::Stopped, "{what}");
}

/// Starts a node. Its folder is free once everything of the node before is dropped.
async fn start(config: &Config, options: RootOptions, runtime: &Handle) -> Node {
    let mut started = Node::start(config, options, runtime.clone());
    for _ in 0..500 {
        if started.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        started = Node::start(config, options, runtime.clone());
    }
    started.unwrap_or_else(|error| panic!("the node does not start: {error}"))
}

async fn after_the_end(runtime: Handle, config: &Config, done: BTreeSet<String>, what: &str) {
    let started = start(config, RootOptions::default(), &runtime).await;
    assert!(started.root().ready(RECOVERY).await, "{what}: the fresh node is not ready");
    check(&config.node.data_dir, &done, what).await;
    started.root().shutdown();
    started.root().wait().await;
}

async fn check(data: &Path, done: &BTreeSet<String>, what: &str) {
    let there = topics(data).await;
    let lost: Vec<_> = done.difference(&there).collect();
    assert!(lost.is_empty(), "{what}: acknowledged and lost: {lost:?}");
    let client = connect(data).await.expect("the node answers");
    let verdict = client.admin().verify_audit(VerifyAuditRequest {}).await.unwrap().into_inner();
    assert!(verdict.ok, "{what}: {}", verdict.problem);
}

async fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(RECOVERY, holds).await.is_ok(), "{what}: what was waited for did not come");
}

fn break_actor(actor: &'static str) {
    provider();
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // PostgreSQL runs as another user and must pass through
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let (config, done) = (config(folder.path()), Acknowledged::default());
    for run in 0..PLACES.len() {
        bib_kit::system::run(break_one(runtime.handle().clone(), &config, actor, run, done.clone()));
    }
    runtime.shutdown_timeout(Duration::from_secs(5));
}

#[test]
fn the_audit_chain_breaks() {
    break_actor(ACTORS[0]);
}

#[test]
fn the_guardian_breaks() {
    break_actor(ACTORS[1]);
}

#[test]
fn the_swarm_breaks() {
    break_actor(ACTORS[2]);
}

#[test]
fn the_replicator_breaks() {
    break_actor(ACTORS[3]);
}

#[test]
fn the_gateway_breaks() {
    break_actor(ACTORS[4]);
}

#[test]
fn the_pages_break() {
    break_actor(ACTORS[5]);
}
