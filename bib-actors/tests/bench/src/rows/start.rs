//! `start`: from the process to ready, of nodes that have data, beside programs of like kind.

use super::data::small_files;
use crate::context::Ctx;
use crate::measure::{Round, Side, in_turn, one, seconds};
use crate::peers::daemon::answering;
use crate::peers::etcd;
use crate::peers::postgres::Postgres;
use crate::peers::syncthing::Alone;
use crate::report::{Better, NO_GOAL, Row};
use bib_node_tests::{Lab, Node, NodeSpec, pair};
use std::cell::RefCell;

/// What a full node may take beside its PostgreSQL, in milliseconds.
const MARGIN: f64 = 150.0;
/// Files that everybody who keeps some has.
const FILES: usize = 200;

/// A node on PostgreSQL beside PostgreSQL; a proxy and a cache, both on SQLite, beside etcd and syncthing. Each is started
/// twice, and the second start counts: the first reads the program's files where the system has let go of them meanwhile,
/// which would be paid for by whoever comes first.
pub(crate) fn run(ctx: &Ctx) -> anyhow::Result<Vec<Row>> {
    let lab = Lab::new()?;
    let mut full = full_with_data(&lab)?;
    let (proxy, cache) =
        (of(&lab, NodeSpec::proxy("proxy"), &mut full)?, of(&lab, NodeSpec::cache("cache"), &mut full)?);
    let (full, proxy, cache) = (RefCell::new(full), RefCell::new(proxy), RefCell::new(cache));
    let postgres = RefCell::new(Postgres::new(&lab.path().join("postgres"))?);
    let etcd_data = lab.path().join("etcd");
    etcd::start(&etcd_data)?.stop()?;
    let syncthing = syncthing_with_data(&lab)?;
    let sides: Vec<Side<'_>> = vec![
        Box::new(|_| {
            Ok(vec![
                second(|| start(&mut full.borrow_mut()))?,
                second(|| start(&mut cache.borrow_mut()))?,
                second(|| start(&mut proxy.borrow_mut()))?,
            ])
        }),
        one(|_| {
            second(|| {
                let ((), took) = seconds(|| postgres.borrow_mut().start())?;
                postgres.borrow_mut().stop()?;
                Ok(took * 1e3)
            })
        }),
        one(|_| {
            second(|| {
                let (etcd, took) = seconds(|| etcd::start(&etcd_data))?;
                etcd.stop()?;
                Ok(took * 1e3)
            })
        }),
        one(|_| {
            second(|| {
                let (syncthing, took) = seconds(|| syncthing.start())?;
                syncthing.stop()?;
                Ok(took * 1e3)
            })
        }),
    ];
    let table = in_turn(ctx, sides)?;
    let beside = |at: usize, peer: usize, margin: f64| {
        table.with(&[0, peer], |round| Round { ours: round[0][at], peer: round[peer][0] + margin })
    };
    let (full, cache, proxy) = ("start.full", "start.cache", "start.proxy");
    Ok(vec![
        Row::new(proxy, "etcd", "ms", Better::Lower, 1.33, beside(2, 2, 0.0)),
        Row::new(cache, "etcd", "ms", Better::Lower, NO_GOAL, beside(1, 2, 0.0)).remark("a selective node on SQLite"),
        Row::new(cache, "syncthing", "ms", Better::Lower, NO_GOAL, beside(1, 3, 0.0))
            .remark("with a folder of 200 files"),
        Row::new(full, "bound", "ms", Better::Lower, 1.0, beside(0, 1, MARGIN)).remark("PostgreSQL alone and 150 ms"),
        Row::new(full, "postgresql", "ms", Better::Lower, NO_GOAL, beside(0, 1, 0.0)).remark("an empty one, alone"),
    ])
}

/// The second of two measurements.
fn second(mut measure: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    measure()?;
    measure()
}

/// A node that joined `full` and has read its dataset; both are stopped.
pub(crate) fn of(lab: &Lab, spec: NodeSpec, full: &mut Node) -> anyhow::Result<Node> {
    let mut node = lab.node(spec)?;
    full.start()?;
    node.start()?;
    pair(full, &node)?;
    node.bib(&["dataset", "query", "dataset(\"bench/table\").limit(1)"])?.ok()?;
    node.stop()?;
    full.stop()?;
    Ok(node)
}

/// syncthing with as many files, stopped.
pub(crate) fn syncthing_with_data(lab: &Lab) -> anyhow::Result<Alone> {
    let place = lab.path().join("syncthing");
    std::fs::create_dir(&place)?;
    Alone::new(&place, |folder| small_files(folder, 3, FILES, 4096))
}

/// A node with a dataset and a table in it, stopped.
pub(crate) fn full_with_data(lab: &Lab) -> anyhow::Result<Node> {
    let mut node = lab.node(NodeSpec::full("full"))?;
    node.start()?;
    let folder = lab.path().join("data");
    small_files(&folder, 3, FILES, 4096)?;
    node.bib(&["topic", "create", "bench"])?.ok()?;
    node.bib(&["dataset", "upload", &folder.to_string_lossy(), "--topic", "bench", "--name", "data"])?.ok()?;
    let table = lab.path().join("table.csv");
    std::fs::write(&table, "n,s\n1,a\n2,b\n")?;
    node.bib(&["dataset", "upload", &table.to_string_lossy(), "--topic", "bench", "--name", "table"])?.ok()?;
    node.stop()?;
    Ok(node)
}

/// Milliseconds until it is ready; it is stopped again.
fn start(node: &mut Node) -> anyhow::Result<f64> {
    let port = node.web().port();
    let ((), took) = seconds(|| {
        node.launch()?;
        answering(port, "/readyz")
    })?;
    node.stop()?;
    Ok(took * 1e3)
}
